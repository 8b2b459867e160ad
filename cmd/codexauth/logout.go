package main

import (
	"errors"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
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
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.logout(cmd, local) },
	}
	cmd.Flags().BoolVar(&local, "local", false, "forget the login here and don't tell the server")
	return cmd
}

func (a *app) logout(cmd *cobra.Command, local bool) error {
	m, p, err := a.keeper(cmd)
	if err != nil {
		return err
	}
	defer a.finish(m)
	// Whose login it was can only be told before it ends.
	s, err := m.Status(cmd.Context())
	if err != nil {
		return err
	}
	stop := a.Waiting()
	err = m.SignOut(cmd.Context(), codexauth.SignOutOptions{Local: local})
	stop()
	notRevoked := errors.Is(err, codexauth.ErrNotRevoked)
	if err != nil && !notRevoked {
		return err
	}
	if a.flags.json {
		return a.PrintJSON(struct {
			Profile   string  `json:"profile"`
			AccountID *string `json:"account_id"`
			Revoked   bool    `json:"revoked"`
		}{p.Profile, ui.Known(s.Account.ID), !local && !notRevoked})
	}
	a.Say("Signed out %s at %s.", ui.AccountText(s.Account), cleantext.OneLine(s.Issuer))
	switch {
	case notRevoked:
		a.Say("warning: %s", cleantext.OneLine(err.Error()))
		a.Say("hint: end the session in the account's security settings if the token may be in other hands")
	case local:
		a.Say("The server was not told: its session lives on until it expires.")
	}
	return nil
}
