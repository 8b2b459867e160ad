package moving

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/hint"
)

type exportOptions struct{ handOver, force, aether bool }

// Export makes the command that writes the login for the official Codex CLI.
func Export(r *run.Run) *cobra.Command {
	a := &app{r}
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export FILE|-",
		Short: "Write an auth.json for the official Codex CLI",
		Long: `Write an auth.json for the official Codex CLI to FILE, or to standard output.

The file holds no refresh token: the Codex CLI can use it until the access
token expires, and the login stays here. "codexauth setup codex" is the better way
to have both use one login.

With --hand-over the Codex CLI gets the whole login, refresh token and all, and
nobody is signed in here any more. The server is not told. Prefer a FILE: what goes
into a pipe that breaks is lost, and the login with it.`,
		Example: `  codexauth export ~/.codex/auth.json
  codexauth export --hand-over ~/.codex/auth.json     go back to the Codex CLI alone
  codexauth export - | ssh build 'umask 077; cat > .codex/auth.json'`,
		Args: run.OneArg("FILE, or - for standard output"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.aether {
				return a.exportAether(cmd, args[0], o)
			}
			return a.export(cmd, args[0], o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.handOver, "hand-over", false, "write the refresh token, too, and sign out here")
	f.BoolVar(&o.aether, "reference", false, "write it into a credentials.enc FILE (age, passphrase; "+aetherPassword+") instead")
	f.BoolVar(&o.force, "force", false, "overwrite a login in FILE (a backup is kept), or show a refresh token on a terminal")
	return cmd
}

// exported is what happened to the file.
type exported struct {
	path, backup string
	login        codexauth.Credential
	takeBack     func() error // restores what was there before; nil for standard output
}

func (a *app) export(cmd *cobra.Command, name string, o exportOptions) error {
	if name == "-" {
		need := a.NeedStdout
		if o.handOver {
			need = a.NeedReader
		}
		if err := need(); err != nil {
			return err
		}
	}
	if name == "-" && o.handOver && !o.force && ui.IsTerminal(a.Stdout) {
		return hint.Usage("this would show the refresh token on the terminal", "name a FILE, or redirect standard output; --force shows it")
	}
	m, _, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	a.HeedSignals()
	done := &exported{}
	if name != "-" {
		if done.path, err = filepath.Abs(name); err != nil {
			return err
		}
		unlock, err := a.lockNeighbour(cmd.Context(), done.path)
		if errors.Is(err, fs.ErrNotExist) {
			return hint.With(fmt.Errorf("there is no directory %s", filepath.Dir(done.path)), "make it first, for yourself alone: "+mkdirFor(filepath.Dir(done.path)))
		}
		if err != nil {
			return err
		}
		defer unlock()
	}
	deliver := func(c codexauth.Credential) error { return a.deliver(cmd.Context(), done, c, o) }
	var takeBack func() error
	if done.path != "" {
		takeBack = func() error { return done.takeBack() }
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

// exportFresh delivers tokens that are good for a while, and no refresh token.
func (a *app) exportFresh(ctx context.Context, m *codexauth.Manager, deliver func(codexauth.Credential) error) error {
	stop := a.Waiting()
	_, err := m.FreshToken(ctx, 0)
	stop()
	if err != nil {
		return err
	}
	c, err := m.Credential(ctx)
	if err != nil {
		return err
	}
	return deliver(c)
}

func (a *app) deliver(ctx context.Context, done *exported, c codexauth.Credential, o exportOptions) error {
	done.login = c
	if done.path == "" {
		data, err := codexcli.FormatAuth(c, nil)
		if err != nil {
			return err
		}
		return a.Print(cleantext.JSON(string(data)))
	}
	old, _, err := codexcli.ReadAuth(done.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A login that is this very one is what an earlier hand-over, cut off before
	// its end, has left.
	precious := err == nil && codexcli.HoldsLogin(old) && !sameLogin(old, c)
	if precious && !o.force {
		return hint.With(fmt.Errorf("%s holds a login already", done.path),
			"name another FILE; --force overwrites it and keeps a backup")
	}
	data, err := codexcli.FormatAuth(c, old)
	if err != nil {
		return err
	}
	done.takeBack = func() error { return codexcli.TakeBack(done.path, data, old) }
	done.backup, err = codexcli.WriteAuth(ctx, done.path, data, old, precious)
	return err
}

func sameLogin(old []byte, c codexauth.Credential) bool {
	auth, err := codexcli.ParseAuth(old)
	return err == nil && auth.Login.RefreshToken.Equal(c.RefreshToken)
}

func (a *app) tellExport(done *exported, o exportOptions) error {
	if done.path == "" {
		if o.handOver {
			a.Say("Handed over the login of %s. Nobody is signed in here any more.", ui.AccountText(done.login.Account))
		}
		return nil
	}
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Path       string  `json:"path"`
			AccountID  *string `json:"account_id"`
			ExpiresAt  string  `json:"expires_at"`
			HandedOver bool    `json:"handed_over"`
			Backup     *string `json:"backup"`
		}{done.path, ui.Known(done.login.Account.ID), ui.RFC3339(done.login.Expiry), o.handOver, ui.Known(done.backup)})
	}
	switch {
	case o.handOver:
		a.Say("Handed the login of %s over to %s. Nobody is signed in here any more.", ui.AccountText(done.login.Account), cleantext.OneLine(done.path))
	default:
		a.Say("Wrote %s, good until %s. It holds no refresh token: the login stays here.", cleantext.OneLine(done.path), ui.When(done.login.Expiry, time.Now()))
	}
	if done.backup != "" {
		a.Say("The previous file is in %s.", cleantext.OneLine(done.backup))
	}
	return nil
}

// mkdirFor is the command that makes dir.
func mkdirFor(dir string) string {
	word := cleantext.ShellWord(cleantext.OneLine(dir))
	if runtime.GOOS == "windows" {
		return "mkdir " + word
	}
	return "mkdir -m 700 " + word
}
