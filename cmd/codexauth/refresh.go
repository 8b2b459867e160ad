package main

import (
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/ui"
)

func (a *app) refreshCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "refresh",
		Short: "Refresh the login now, whatever its token's age",
		Long: `Refresh the login now, whatever its token's age.

Nobody needs this for daily use: "codexauth token" refreshes in time. It asks the
server once more even where an earlier refusal is remembered.`,
		Example: `  codexauth refresh
  codexauth refresh --json     print {"account_id", "expires_at"}`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.refresh(cmd) },
	}
}

func (a *app) refresh(cmd *cobra.Command) error {
	m, _, err := a.manager(cmd)
	if err != nil {
		return err
	}
	defer a.finish(m)
	stop := a.Waiting()
	t, err := m.Refresh(cmd.Context())
	stop()
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.PrintJSON(struct {
			AccountID string `json:"account_id"`
			ExpiresAt string `json:"expires_at"`
		}{t.AccountID, ui.RFC3339(t.Expiry)})
	}
	a.Say("Refreshed. The new token is good until %s.", ui.When(t.Expiry, time.Now()))
	return nil
}
