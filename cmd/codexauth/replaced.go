package main

import (
	"errors"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
)

// tellReplaced says what became, at the server, of a login that a new one took the
// place of.
func (a *app) tellReplaced(r codexauth.Replaced) {
	who := "the login of " + ui.AccountText(r.Account) + " that was stored here before"
	switch {
	case r.Err == nil:
		a.Say("The server was told to end %s.", who)
	case errors.Is(r.Err, codexauth.ErrWouldEndAnother):
		a.Say("Not ended at the server: %s (%s). If its tokens may be in other hands, end the account's sessions in its security settings, and sign in again.",
			who, cleantext.OneLine(r.Err.Error()))
	default:
		a.Say("warning: %s may live on at the server: %s", who, cleantext.OneLine(r.Err.Error()))
		a.Say("hint: end it in that account's security settings if its tokens may be in other hands")
	}
}
