package moving

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/internal/aether"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/sharing"
)

// Another tool keeps its logins in an age file with a passphrase; its login is
// moved like that of the Codex CLI.

// aetherPassword is that tool's own variable.
const aetherPassword = "AETHER_CREDENTIALS_PASSWORD"

// aetherPassphrase asks for the passphrase of that tool's file.
func (a *app) aetherPassphrase(path string, confirm bool) ([]byte, error) {
	if p := os.Getenv(aetherPassword); p != "" {
		return []byte(p), nil
	}
	if !a.CanAsk() {
		return nil, hint.Usage("the passphrase of "+cleantext.OneLine(path)+" is needed, and there is no terminal to ask at", "set "+aetherPassword)
	}
	return a.AskPassphrase(path, confirm)
}

func (a *app) importAether(cmd *cobra.Command, path string, o importOptions) error {
	m, p, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	passphrase, err := a.aetherPassphrase(path, false)
	if err != nil {
		return err
	}
	file, err := aether.Read(path, passphrase)
	if err != nil {
		return err
	}
	found, err := file.Get(aether.Key)
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
	if !o.copyDangerous {
		// The login is taken out of it later: that it can be written is proved now.
		if err := file.Write(path, passphrase); err != nil {
			return hint.With(fmt.Errorf("nothing was imported, because the login could not be taken out of %s afterwards: %w", path, err),
				"make the file and its directory writable for this user; two programs that hold one login log each other out")
		}
	}
	done, err := a.importLogin(cmd.Context(), m, codexauth.Credential{
		AccessToken: found.AccessToken, RefreshToken: found.RefreshToken, Expiry: found.ExpiresAt, Scopes: found.GrantedScopes,
	}, o)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	done.path = path
	if done.left = o.copyDangerous; done.left {
		return a.tellImport(done, p)
	}
	file.Delete(aether.Key)
	if err := file.Write(path, passphrase); err != nil {
		return hint.With(fmt.Errorf("the login is stored here, but %s still holds it too: %w", path, err),
			"quit every program that uses that file and run the command again, before one of the two spends the other's refresh token")
	}
	done.path = ""
	if !a.Flags.JSON {
		a.Say("It was taken out of %s.", cleantext.OneLine(path))
	}
	return a.tellImport(done, p)
}

func (a *app) exportAether(cmd *cobra.Command, path string, o exportOptions) error {
	m, _, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	file := &aether.File{}
	_, err = os.Lstat(path)
	isNew := errors.Is(err, fs.ErrNotExist)
	passphrase, err := a.aetherPassphrase(path, isNew)
	if err != nil {
		return err
	}
	if !isNew {
		if file, err = aether.Read(path, passphrase); err != nil {
			return err
		}
	}
	before, err := file.Get(aether.Key)
	isFree := errors.Is(err, codexauth.ErrNotFound)
	if !isFree && !o.force {
		return hint.With(fmt.Errorf("%s holds a login already", path), "name another FILE, or --force to overwrite it")
	}
	a.HeedSignals()
	done := &exported{path: path}
	deliver := func(c codexauth.Credential) error {
		done.login = c
		err := file.Set(aether.Key, aether.Login{
			ClientID: c.ClientID, AccessToken: c.AccessToken, RefreshToken: c.RefreshToken, ExpiresAt: c.Expiry, GrantedScopes: c.Scopes,
		})
		if err != nil {
			return err
		}
		return file.Write(path, passphrase)
	}
	takeBack := func() error {
		if isNew {
			return sharing.Remove(path)
		}
		file.Delete(aether.Key)
		if !isFree {
			if err := file.Set(aether.Key, before); err != nil {
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
