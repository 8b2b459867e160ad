package moving

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/remember"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/frame"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/seal"
)

func (a *app) storeSealCommand() *cobra.Command {
	var to string
	var passphrase bool
	var o *remember.Offer
	cmd := &cobra.Command{
		Use:   "seal",
		Short: "Encrypt the stored login in place",
		Long: `Encrypt the stored login in place, with a key file, which is made if it is
not there, or with a passphrase. It asks whether to remember the key for every
shell; --remember and --no-remember say so without being asked. If it is
interrupted, run it again.

Backups of the store that were made before hold the login as it was. Keep a copy of
the key file apart from them: whoever loses the key signs in again.`,
		Example: `  codexauth store seal                        with a key file beside your settings
  codexauth store seal --to ~/keys/codexauth.key
  codexauth store seal --passphrase           for a person, since a job can't type it`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if passphrase && to != "" {
				return hint.Usage("--to and --passphrase exclude each other", "leave one of them out")
			}
			if passphrase {
				to = "prompt"
			}
			return a.storeSeal(cmd, to, o)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the key `FILE` (default login.key beside your settings)")
	cmd.Flags().BoolVar(&passphrase, "passphrase", false, "seal it with a passphrase that you type")
	o = remember.Flags(cmd)
	return cmd
}

func (a *app) storeSeal(cmd *cobra.Command, key string, o *remember.Offer) error {
	ctx := cmd.Context()
	p, err := a.openForSealing(cmd, o)
	if err != nil {
		return err
	}
	if key, err = sealingKey(key); err != nil {
		return err
	}
	data, err := p.Store.Load(ctx, p.Profile)
	if errors.Is(err, codexauth.ErrNotFound) {
		return fmt.Errorf("profile %q: %w", p.Profile, codexauth.ErrSignedOut)
	}
	if err != nil {
		return err
	}
	if frame.Sealed(data) {
		return a.sealedBefore(cmd, p, key, o)
	}
	m, err := a.memoOfKey(ctx, o, p, key)
	if err != nil {
		return err
	}
	if err := a.makeKey(key); err != nil {
		return err
	}
	next, err := a.Sealer(key)
	if err != nil {
		return err
	}
	if err := a.reseal(ctx, p, next); err != nil {
		return err
	}
	a.Say("The login in %s is sealed with %s now. Backups of the store that were made before still hold it as it was.", cleantext.OneLine(p.Store.String()), keyText(key))
	a.tellTyped(key)
	return m.Keep(ctx)
}

// sealedBefore completes a seal that was cut off before it was remembered; the login
// must open with the key that was meant.
func (a *app) sealedBefore(cmd *cobra.Command, p *place.Place, key string, o *remember.Offer) error {
	another := hint.Usage("the login is sealed already, with another key", "to change its key: "+a.Command("store reseal --to FILE"))
	if _, err := os.Stat(key); key != "prompt" && err != nil {
		return another
	}
	sealer, err := a.Sealer(key)
	if err != nil {
		return err
	}
	m, err := a.memoOfKey(cmd.Context(), o, p, key)
	if err != nil {
		return err
	}
	there := p.Login(p.Profile)
	there.Sealer = sealer
	if _, err := there.Describe(cmd.Context()); errors.Is(err, codexauth.ErrWrongKey) {
		return another
	} else if err != nil {
		return err
	}
	a.Say("The login in %s is sealed with %s already.", cleantext.OneLine(p.Store.String()), keyText(key))
	return m.Keep(cmd.Context())
}

// sealingKey is the whole path of the key file that is meant, or prompt.
func sealingKey(to string) (key string, err error) {
	switch {
	case to == "prompt":
		return to, nil
	case to == "plain":
		return "", hint.Usage("plain is not a key", "`codexauth store reseal --to plain` takes the seal away")
	case to == "":
		return config.KeyFile()
	}
	return filepath.Abs(to)
}

// makeKey makes a key file that is not there yet, in a directory of this user's alone
// if that has to be made, too.
func (a *app) makeKey(key string) error {
	if key == "prompt" {
		return nil
	}
	if _, err := os.Lstat(key); !errors.Is(err, fs.ErrNotExist) {
		return nil // it is opened next, which says what is wrong with it
	}
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		return err
	}
	if _, err := seal.WriteNew(key); err != nil {
		return err
	}
	a.Say("Made the key file %s. Keep a copy of it in a safe place, apart from copies of the store.", cleantext.OneLine(key))
	return nil
}

func keyText(key string) string {
	if key == "prompt" {
		return "your passphrase"
	}
	return "the key in " + cleantext.OneLine(key)
}

// tellTyped says what a passphrase keeps from working.
func (a *app) tellTyped(key string) {
	if key == "prompt" {
		a.Say("A job, an editor or a tool that has no terminal can't ask for it: for those seal the login with a key file instead.")
	}
}
