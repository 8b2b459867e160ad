// Package age lets package open find logins that are sealed with an age identity or a
// passphrase.
package age

import (
	"codexauth/internal/identity"
	"codexauth/internal/place"
	"codexauth/seal"
)

// Kind is for codexauth/open: it links age. Nobody is asked for a passphrase or to
// touch a key: a login that wants that is an error.
func Kind() place.Kind { return Asking(seal.UI{}) }

// Asking is Kind for a program with somebody to ask.
func Asking(ui seal.UI) place.Kind {
	return place.Kind{Link: place.Age, Identity: func(name string) (place.Sealer, error) { return identity.Open(name, ui) }}
}
