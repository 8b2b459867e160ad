package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

type importOptions struct {
	copyDangerous, force bool
	aether               string // the file of another tool
}

func (a *app) importCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import [FILE|-]",
		Short: "Take over the login of the official Codex CLI",
		Long: `Take over the login of the official Codex CLI: that of its auth.json (in
$CODEX_HOME, else ~/.codex), of another FILE, or, with -, of standard input.

A login is moved, not copied: its refresh token can be used once, so of two
programs that hold it the second ends the login. Once the login is stored here,
FILE is renamed to a backup, which must not be used again. For the Codex CLI to go
on with this login, run "codexauth setup codex".`,
		Example: `  codexauth import && codexauth setup codex
  ssh build codexauth import - < auth.json     sign in a machine without a browser`,
		Args: atMostOneArg("FILE, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.aether != "" && len(args) > 0:
				return hint.Usage("--reference and FILE exclude each other", "leave one of them out")
			case o.aether != "":
				return a.importAether(cmd, o.aether, o)
			case len(args) == 1 && args[0] == "-":
				return a.importStdin(cmd, o)
			}
			return a.importFile(cmd, strings.Join(args, ""), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.copyDangerous, "copy-dangerous", false, "leave FILE as it is, for two programs to spend one refresh token")
	f.BoolVar(&o.force, "force", false, "replace the stored login, whosever and however new it is")
	f.StringVar(&o.aether, "reference", "", "take over the login of a credentials.enc `FILE` (age, passphrase; "+aetherPassword+") instead")
	return cmd
}

// neighbourPatience is how long a command waits for the Codex CLI to finish a
// refresh.
const neighbourPatience = 15 * time.Second

// lockNeighbour keeps the Codex CLI from refreshing what is at path.
func (a *app) lockNeighbour(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, neighbourPatience)
	defer cancel()
	defer a.After(time.Second, "waiting for a program that holds the lock of "+cleantext.OneLine(path)+"…")()
	return codexcli.Lock(ctx, path)
}

// An imported login, and what became of the file it came from.
type imported struct {
	stored  bool
	account codexauth.Account
	path    string // empty for standard input
	backup  string // empty if there is none
	left    bool   // the file was left as it is
}

func (a *app) importFile(cmd *cobra.Command, path string, o importOptions) error {
	m, p, err := a.keeper(cmd)
	if err != nil {
		return err
	}
	defer a.finish(m)
	if path, err = authPath(path); err != nil {
		return err
	}
	a.heedSignals()
	ctx := cmd.Context()
	unlock, err := a.lockNeighbour(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return noAuthFile(path, a)
	}
	if err != nil {
		return err
	}
	defer unlock()
	data, shared, err := codexcli.ReadAuth(path)
	if errors.Is(err, fs.ErrNotExist) {
		return noAuthFile(path, a)
	}
	if err != nil {
		return err
	}
	if shared {
		a.Say("warning: other users of this machine could read %s; if they may have, sign in anew instead", cleantext.OneLine(path))
	}
	if !o.copyDangerous {
		if err := codexcli.CanSetAside(path); err != nil {
			return hint.With(fmt.Errorf("nothing was imported, because %s could not be set aside afterwards: %w", path, err),
				"make the file writable for this user; two programs that hold one login end it for each other")
		}
	}
	done, err := a.importAuth(ctx, m, p, data, o)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	done.path, done.left = path, o.copyDangerous
	if !o.copyDangerous {
		if done.backup, err = codexcli.SetAside(ctx, path, data); err != nil {
			return hint.With(fmt.Errorf("the login is stored here, but %s could not be set aside: %w", path, err),
				"end every program that uses that file and run the command again, before one of the two spends the other's refresh token")
		}
	}
	return a.tellImport(done, p)
}

// authPath is the absolute path of the file to import, by default the Codex CLI's.
func authPath(path string) (string, error) {
	if path != "" {
		return filepath.Abs(path)
	}
	home, err := codexcli.Home()
	if err != nil {
		return "", hint.With(err, "set CODEX_HOME, or name the file: `codexauth import FILE`")
	}
	return filepath.Join(home, codexcli.AuthFile), nil
}

func noAuthFile(path string, a *app) error {
	return hint.With(fmt.Errorf("there is no %s: %w", path, fs.ErrNotExist),
		"the Codex CLI is not signed in there, or keeps its login in a keyring; name another FILE, or run "+a.command("login"))
}

func (a *app) importStdin(cmd *cobra.Command, o importOptions) error {
	if o.copyDangerous {
		return hint.Usage("--copy-dangerous is about a FILE, and - is none", "leave it out")
	}
	if ui.IsTerminal(a.Stdin) {
		return hint.Usage("there is nothing on standard input but a terminal", "pipe the file into it: `codexauth import - < auth.json`")
	}
	m, p, err := a.keeper(cmd)
	if err != nil {
		return err
	}
	defer a.finish(m)
	data, err := codexcli.ReadAuthFrom(a.Stdin)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	done, err := a.importAuth(cmd.Context(), m, p, data, o)
	if err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return a.tellImport(done, p)
}

// importAuth stores the login of an auth.json.
func (a *app) importAuth(ctx context.Context, m *codexauth.Manager, p *place.Place, data []byte, o importOptions) (imported, error) {
	auth, err := codexcli.ParseAuth(data)
	if err != nil {
		return imported{}, hint.With(err, "sign in instead: "+a.command("login"))
	}
	if err := sameOrigin(p, auth); err != nil {
		return imported{}, err
	}
	return a.importLogin(ctx, m, auth.Login, o)
}

// sameOrigin refuses a login that its file says is from elsewhere. A refresh
// token goes to the issuer that the person named, and to no other.
func sameOrigin(p *place.Place, auth codexcli.Auth) error {
	ours, err := p.Provider.Complete()
	if err != nil {
		return err
	}
	if issuer := strings.TrimSuffix(auth.Issuer, "/"); issuer != "" && issuer != ours.Issuer {
		return fmt.Errorf("%w: it is from %s, and this is for %s", codexauth.ErrOtherLogin, cleantext.Message(issuer), ours.Issuer)
	}
	if auth.ClientID != "" && auth.ClientID != ours.ClientID {
		return fmt.Errorf("%w: it is the client %s's, and this is %s", codexauth.ErrOtherLogin, cleantext.Message(auth.ClientID), ours.ClientID)
	}
	return nil
}

func (a *app) tellImport(done imported, p *place.Place) error {
	if a.flags.json {
		return a.PrintJSON(struct {
			Profile   string  `json:"profile"`
			Stored    bool    `json:"stored"`
			AccountID *string `json:"account_id"`
			Backup    *string `json:"backup"`
		}{p.Profile, done.stored, ui.Known(done.account.ID), ui.Known(done.backup)})
	}
	if done.stored {
		a.Say("Imported the login of %s, %s; stored in %s.", ui.AccountText(done.account), ui.AccountPhrase(done.account), cleantext.OneLine(p.Store.String()))
	} else {
		a.Say("This login is stored already, or is an older state of it; nothing in the store was changed.")
	}
	switch {
	case done.backup != "":
		a.Say("The file was renamed to %s.\nDon't use it again: its refresh token is, or will be, spent. Delete it when all is well.", cleantext.OneLine(done.backup))
		a.Say("To let the Codex CLI use this login, run %s.", a.command("setup codex"))
	case done.path != "" && !done.left:
		a.Say("%s can't be renamed: the login was taken out of it in place, and there is no backup.", cleantext.OneLine(done.path))
		a.Say("To let the Codex CLI use this login, run %s.", a.command("setup codex"))
	case done.path != "":
		a.Say("warning: %s was left in place: whichever program refreshes second ends the login for both", cleantext.OneLine(done.path))
	default:
		a.Say("Where this login came from it must not be used any more: whichever refreshes second ends it for both.")
	}
	return nil
}

// importLogin stores a login that was found elsewhere.
func (a *app) importLogin(ctx context.Context, m *codexauth.Manager, c codexauth.Credential, o importOptions) (imported, error) {
	stop := a.Waiting()
	stored, err := m.Import(ctx, c, codexauth.ImportOptions{Replace: o.force, Replaced: a.tellReplaced})
	stop()
	if errors.Is(err, codexauth.ErrNotNewer) || errors.Is(err, codexauth.ErrSignedIn) {
		err = hint.With(err, "to replace the stored login all the same: "+a.command("import --force"))
	}
	if err != nil {
		return imported{}, err
	}
	account, err := codexauth.ParseAccount(c.AccessToken.Reveal())
	if errors.Is(err, codexauth.ErrNoAccountID) {
		err = nil // its id token told, or its file, or nobody
		if s, stErr := m.Status(ctx); stErr == nil && stored {
			account = s.Account
		}
	}
	return imported{stored: stored, account: account}, err
}
