package main

import "codexauth/store/keyring"

// openKeyring opens the store in a directory whose key the system's keyring has;
// "" is the default one. Nobody asks the keyring yet.
func (p *place) openKeyring(dir string) error {
	if p.sealer != nil {
		return &usageError{"--identity-file (or CODEXAUTH_IDENTITY_FILE) names a key, and a keyring store has one of its own",
			"leave it out; or keep the login in a file store that the key seals: --store file:DIR"}
	}
	dir, err := directory(dir, keyring.DefaultDir)
	if err != nil {
		return err
	}
	store, err := keyring.Open(dir, p.asking)
	if err != nil {
		return err
	}
	p.store, p.address, p.lockDir = store, store.String(), store.Dir()
	p.sealer, p.ownKey, p.health = store.Sealer(), true, keyring.Probe
	return nil
}
