package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/seal"
)

// Another tool keeps its logins in an age file with a passphrase; its login is
// moved like that of the Codex CLI.

// referencePassword is that tool's own variable.
const referencePassword = "AETHER_CREDENTIALS_PASSWORD"

// referencePassphrase asks for the passphrase of that tool's file.
func (a *app) referencePassphrase(path string, confirm bool) ([]byte, error) {
	if p := os.Getenv(referencePassword); p != "" {
		return []byte(p), nil
	}
	if !a.CanAsk() {
		return nil, hint.Usage("the passphrase of "+cleantext.OneLine(path)+" is needed, and there is no terminal to ask at", "set "+referencePassword)
	}
	return a.AskPassphrase(path, confirm)
}

func (a *app) importReference(cmd *cobra.Command, path string, o importOptions) error {
	m, p, err := a.keeper(cmd)
	if err != nil {
		return err
	}
	defer a.finish(m)
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	passphrase, err := a.referencePassphrase(path, false)
	if err != nil {
		return err
	}
	file, err := seal.ReadReference(path, passphrase)
	if err != nil {
		return err
	}
	found, err := file.Get(seal.ReferenceKey)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	ours, err := p.Provider.Complete()
	if err != nil {
		return err
	}
	if found.ClientID != "" && found.ClientID != ours.ClientID {
		return fmt.Errorf("%s: %w: it is another client's", path, codexauth.ErrOtherLogin)
	}
	done, err := a.importLogin(cmd.Context(), m, codexauth.Credential{
		AccessToken: found.AccessToken, RefreshToken: found.RefreshToken, Expiry: found.ExpiresAt, Scopes: found.GrantedScopes,
	}, o)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	done.path = path
	if o.copyDangerous {
		return a.tellImport(done, p)
	}
	file.Delete(seal.ReferenceKey)
	if err := file.Write(path, passphrase); err != nil {
		return hint.With(fmt.Errorf("the login is stored here, but %s still holds it too: %w", path, err),
			"end every program that uses that file and run the command again, before one of the two spends the other's refresh token")
	}
	done.path = ""
	if !a.flags.json {
		a.Say("It was taken out of %s.", cleantext.OneLine(path))
	}
	return a.tellImport(done, p)
}

func (a *app) exportReference(cmd *cobra.Command, path string, o exportOptions) error {
	m, _, err := a.keeper(cmd)
	if err != nil {
		return err
	}
	defer a.finish(m)
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	file := &seal.Reference{}
	_, err = os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	passphrase, err := a.referencePassphrase(path, isNew)
	if err != nil {
		return err
	}
	if !isNew {
		if file, err = seal.ReadReference(path, passphrase); err != nil {
			return err
		}
	}
	before, err := file.Get(seal.ReferenceKey)
	isFree := errors.Is(err, codexauth.ErrNotFound)
	if !isFree && !o.force {
		return hint.With(fmt.Errorf("%s holds a login already", path), "name another FILE, or --force to overwrite it")
	}
	a.heedSignals()
	done := &exported{path: path}
	deliver := func(c codexauth.Credential) error {
		done.login = c
		err := file.Set(seal.ReferenceKey, seal.ReferenceRecord{
			ClientID: c.ClientID, AccessToken: c.AccessToken, RefreshToken: c.RefreshToken, ExpiresAt: c.Expiry, GrantedScopes: c.Scopes,
		})
		if err != nil {
			return err
		}
		return file.Write(path, passphrase)
	}
	takeBack := func() error {
		if isNew {
			return os.Remove(path)
		}
		file.Delete(seal.ReferenceKey)
		if !isFree {
			if err := file.Set(seal.ReferenceKey, before); err != nil {
				return err
			}
		}
		return file.Write(path, passphrase)
	}
	if o.handOver {
		err = m.HandOver(cmd.Context(), deliver, takeBack)
	} else {
		err = a.exportFresh(cmd.Context(), m, deliver)
	}
	if err != nil {
		return err
	}
	return a.tellExport(done, o)
}
