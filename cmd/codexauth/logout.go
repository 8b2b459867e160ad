package main

import (
	"cmp"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
)

func (a *app) logoutCommand() *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End the login, here and at the server",
		Long: `End the login. First no token remains in the store, so that every process that
shares it is signed out; then the server is told to revoke the login, which may
end other sessions of the same account, too.`,
		Example: `  codexauth logout
  codexauth logout --local     leave the server's session alone`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.logout(cmd, local) },
	}
	cmd.Flags().BoolVar(&local, "local", false, "forget the login here and don't tell the server")
	return cmd
}

func (a *app) logout(cmd *cobra.Command, local bool) error {
	m, p, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	// Whose login it was can only be told before it ends.
	s, err := m.Status(cmd.Context())
	if err != nil {
		return err
	}
	stop := a.After(time.Second, "waiting for the server, or for another process that uses the login…")
	err = m.SignOut(cmd.Context(), local)
	stop()
	notRevoked := errors.Is(err, codexauth.ErrNotRevoked)
	if err != nil && !notRevoked {
		return err
	}
	var ended error
	if notRevoked && verdict.Stopped(cmd.Context(), err) {
		ended = run.ExitStatus(verdict.Cancelled) // what is done is said below
	}
	if a.Flags.JSON {
		return cmp.Or(a.PrintJSON(struct {
			Profile   string  `json:"profile"`
			AccountID *string `json:"account_id"`
			Revoked   bool    `json:"revoked"`
		}{p.Profile, ui.Known(s.Account.ID), !local && !notRevoked}), ended)
	}
	a.Say("Signed out %s at %s.", ui.AccountText(s.Account), cleantext.OneLine(s.Issuer))
	switch {
	case notRevoked:
		a.Say("warning: %s", cleantext.OneLine(err.Error()))
		a.Say("hint: end the session in the account's security settings if the token may be in other hands")
	case local:
		a.Say("The server was not told: its session lives on until it expires.")
	}
	return ended
}
