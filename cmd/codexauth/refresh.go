package main

import (
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
)

func (a *app) refreshCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "refresh",
		Short: "Refresh the login now, whatever its token's age",
		Long: `Refresh the login now, whatever its token's age.

You rarely need this: "codexauth token" refreshes in time. It asks the
server once more even where an earlier refusal is remembered.`,
		Example: `  codexauth refresh
  codexauth refresh --json     print {"account_id", "expires_at"}`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.refresh(cmd) },
	}
}

func (a *app) refresh(cmd *cobra.Command) error {
	m, _, err := a.Manager(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	stop := a.Waiting()
	t, err := m.Refresh(cmd.Context())
	stop()
	if err != nil {
		return err
	}
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			AccountID string `json:"account_id"`
			ExpiresAt string `json:"expires_at"`
		}{t.AccountID, ui.RFC3339(t.Expiry)})
	}
	now := time.Now()
	if s, err := m.Status(cmd.Context()); err == nil {
		now = now.Add(s.Skew) // which the server has just taught
	}
	a.Say("Refreshed. The new token is good until %s.", ui.When(t.Expiry, now))
	return nil
}
