package main

import (
	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/demo"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/hint"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See it all work in ten seconds, with nothing from outside",
		Long: `Run the whole story against its own sandbox: sign in, use a token, refresh,
recover from a 401, share an expired login among ten processes, sign out. Each
step shows what the server counted. The store is a temporary directory.

It fails if anything is not as it should be.`,
		Example: "  codexauth sandbox demo",
		Args:    run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.Flags.JSON {
				return hint.Usage("the demo is for people: it has no --json", "`codexauth sandbox --json` runs a server for programs")
			}
			a.HeedSignals()
			return demo.Run(cmd.Context(), &a.Terminal, a.Log(), verdict.SignedOut)
		},
	}
}
