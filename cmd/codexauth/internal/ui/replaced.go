package ui

import (
	"errors"

	"codexauth"
	"codexauth/internal/cleantext"
)

// TellReplaced says what became, at the server, of a login that a new one took the
// place of.
func (t *Terminal) TellReplaced(old codexauth.Account, err error) {
	who := "the login of " + AccountText(old) + " that was stored here before"
	switch {
	case err == nil:
		t.Say("The server was told to end %s.", who)
	case !errors.Is(err, codexauth.ErrNotRevoked):
		t.Say("Not ended at the server: %s (%s). If its tokens may be in other hands, end the account's sessions in its security settings, and sign in again.",
			who, cleantext.OneLine(err.Error()))
	default:
		t.Say("warning: %s may live on at the server: %s", who, cleantext.OneLine(err.Error()))
		t.Say("hint: end it in that account's security settings if its tokens may be in other hands")
	}
}
