// Package keyring lets package open find logins whose key is in the system's keyring.
package keyring

import (
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/store/keyring"
)

// Kind is for codexauth/open: it links the system's keyring.
func Kind() place.Kind { return place.Kind{Link: place.Keyring, Open: open} }

// open opens the store in a directory whose key the system's keyring has; "" is the
// default one. Nobody asks the keyring yet.
func open(p *place.Place, _, dir string) error {
	if p.Sealer != nil {
		return hint.Usage("--identity-file (or CODEXAUTH_IDENTITY_FILE) names a key, and a keyring store has one of its own",
			"leave it out; or keep the login in a file store that the key seals: --store file:DIR")
	}
	dir, err := place.Directory(dir, keyring.DefaultDir)
	if err != nil {
		return err
	}
	store, err := keyring.Open(dir, keyring.Options{
		Timeout: p.Asking.Timeout, Prompt: p.Asking.Prompt, Prompting: p.Asking.Prompting, Stop: p.Asking.Stop,
	})
	if err != nil {
		return err
	}
	p.Store, p.Address, p.LockDir = store, store.String(), store.Dir()
	p.Sealer, p.OwnKey, p.Health = store.Sealer(), true, keyring.Probe
	return nil
}
