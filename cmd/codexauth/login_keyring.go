package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/place"
	"codexauth/internal/place/every"
	"codexauth/store/keyring"
)

// offerKeyring asks somebody who signs in for the first time, at a desktop whose
// keyring answers, whether to keep the login there. A yes is written down at once: the
// sign-in, and every other shell, then go by it.
func (a *app) offerKeyring(cmd *cobra.Command, o loginOptions) error {
	if o.noKeyring || o.remember.No || a.Flags.JSON || !a.CanAsk() || !a.atDesktop() {
		return nil
	}
	s, err := a.Resolve(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	change := config.Set("", config.Store, "keyring:")
	if !isUnchosen(s) || !isFirst(ctx) || config.Try(ctx, change) != nil || !keyringAnswers(ctx) {
		return nil
	}
	yes, err := a.Ask(ctx, "Keep the login encrypted, with its key in your keyring (for every shell)?", true)
	if err != nil || !yes {
		return err
	}
	path, err := config.Apply(ctx, change)
	if err != nil {
		return fmt.Errorf("nothing was done: %w", err)
	}
	a.Say("Remembered: logins are kept in keyring: from now on (%s).", cleantext.OneLine(path))
	return nil
}

// isUnchosen reports whether nobody has said where logins are kept, or how they are
// sealed.
func isUnchosen(s *config.Settings) bool {
	return s.Get(config.Store).Source == config.FromDefault && s.Get(config.IdentityFile).Source == config.FromDefault && os.Getenv("CODEXAUTH_HOME") == ""
}

// isFirst reports whether the usual store holds nothing.
func isFirst(ctx context.Context) bool {
	var usual place.Place
	if usual.Open("", every.Kinds()) != nil {
		return false
	}
	defer usual.Close()
	keys, err := usual.Store.List(ctx)
	return err == nil && len(keys) == 0
}

// probeTime is how long a keyring has to say that it is there.
const probeTime = 2 * time.Second

func keyringAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	return keyring.Probe(ctx) == nil
}

// atDesktop reports whether somebody sits before this machine as the user whose
// keyring is asked: not at another one, in a container, or as the administrator.
func (a *app) atDesktop() bool {
	if run.Remote() || os.Getenv("SUDO_UID") != "" || os.Getenv("container") != "" || os.Geteuid() == 0 && !a.anyUser {
		return false
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return true
	}
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil && !a.anyUser {
			return false
		}
	}
	return os.Getenv("DBUS_SESSION_BUS_ADDRESS") != ""
}
