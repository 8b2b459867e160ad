package moving

import (
	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/reason"
)

// replacing lets a move take the place of another login, if it is forced to, and says
// whose that was.
func (a *app) replacing(force bool) func(codexauth.Account, error) {
	if !force {
		return nil
	}
	return func(account codexauth.Account, err error) {
		if err != nil {
			a.Say("What was stored there before is replaced, and could not be read: %s.", cleantext.OneLine(err.Error()))
			return
		}
		a.Say("The login of %s that was there before is replaced. The server was not told: its session lives on until it expires.", ui.AccountText(account))
	}
}

// movedAlready reports whether err says that the login is where it was to go: a run
// that was cut off after that has left the rest to this one.
func movedAlready(err error, key, store string) bool {
	wentTo, in, moved := reason.MovedTo(err)
	return moved && wentTo == key && in == store
}
