package place

import (
	"codexauth/internal/hint"
	"codexauth/store/keyring"
)

// openKeyring opens the store in a directory whose key the system's keyring has;
// "" is the default one. Nobody asks the keyring yet.
func (p *Place) openKeyring(dir string) error {
	if p.Sealer != nil {
		return hint.Usage("--identity-file (or CODEXAUTH_IDENTITY_FILE) names a key, and a keyring store has one of its own",
			"leave it out; or keep the login in a file store that the key seals: --store file:DIR")
	}
	dir, err := Directory(dir, keyring.DefaultDir)
	if err != nil {
		return err
	}
	store, err := keyring.Open(dir, p.Asking)
	if err != nil {
		return err
	}
	p.Store, p.Address, p.LockDir = store, store.String(), store.Dir()
	p.Sealer, p.OwnKey, p.Health = store.Sealer(), true, keyring.Probe
	return nil
}
