package moving

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/foreign"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/toolfile"
)

// importFrom takes over the login of a tool, from the file at path; "" is the one that
// the tool uses.
func (a *app) importFrom(cmd *cobra.Command, path string, o importOptions) error {
	tool := foreign.Named(foreign.Codex)
	if o.from != "" {
		if tool = foreign.Named(o.from); tool == nil {
			return hint.Usage(fmt.Sprintf("--from %s names no tool whose login can be taken over", cleantext.OneLine(o.from)), "there are "+strings.Join(foreign.Names(), ", "))
		}
	}
	m, p, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	if path == "" && o.from == "" {
		if tool, path, err = a.theOnlyLogin(cmd.Context(), m, p); err != nil {
			return err
		}
	}
	if path, err = a.fileOf(tool, path); err != nil {
		return err
	}
	return a.importFile(cmd.Context(), m, p, tool, path, o)
}

// fileOf is the absolute path of the file of a tool's to import.
func (a *app) fileOf(tool *foreign.Tool, path string) (string, error) {
	if path != "" {
		return filepath.Abs(path)
	}
	places, err := tool.Places()
	if err != nil {
		what := "name the file: `codexauth import --from " + tool.Name + " FILE`"
		if tool.Name == foreign.Codex {
			what = "set CODEX_HOME, or name the file: `codexauth import FILE`"
		}
		return "", hint.With(err, what)
	}
	if len(places) == 1 {
		return places[0], nil
	}
	var hold []string
	for _, file := range places {
		if _, err := tool.Read(file); err == nil {
			hold = append(hold, file)
		}
	}
	switch {
	case len(hold) > 1:
		return "", hint.Usage(fmt.Sprintf("%s holds %d logins: %s", tool.Title, len(hold), cleantext.OneLine(strings.Join(hold, ", "))),
			"name one: `codexauth import --from "+tool.Name+" FILE`, each for a profile of its own (--profile)")
	case len(hold) == 1:
		return hold[0], nil
	}
	return "", a.noFile(tool, "")
}

// noFile says that a tool is not signed in.
func (a *app) noFile(tool *foreign.Tool, path string) error {
	if tool.Name == foreign.Codex {
		return hint.With(fmt.Errorf("there is no %s: %w", path, fs.ErrNotExist),
			"the Codex CLI is not signed in there, or keeps its login in a keyring; name another FILE, or run "+a.Command("login"))
	}
	what := "none of its files holds a ChatGPT login"
	if path != "" {
		what = "there is no " + path
	}
	return hint.With(fmt.Errorf("%s: %s: %w", tool.Title, what, fs.ErrNotExist),
		"name the FILE if the tool keeps its login elsewhere, or run "+a.Command("login"))
}

// importFile moves the login in a tool's file. Until the login is durably stored here,
// the file is not changed; whoever dies in between leaves both, and the next import
// finds that the login is stored and sets the file aside.
func (a *app) importFile(ctx context.Context, m *codexauth.Manager, p *place.Place, tool *foreign.Tool, path string, o importOptions) error {
	a.HeedSignals()
	unlock, err := a.lockTool(ctx, tool, path)
	if errors.Is(err, fs.ErrNotExist) {
		return a.noFile(tool, path)
	}
	if err != nil {
		return err
	}
	defer unlock()
	login, err := a.readLogin(tool, path)
	if err != nil {
		return err
	}
	if login.Shared {
		a.Say("warning: other users of this machine could read %s; if they may have, sign in again instead", cleantext.OneLine(path))
	}
	if !o.copyDangerous {
		if err := login.CanSetAside(); err != nil {
			return hint.With(fmt.Errorf("nothing was imported, because %s could not be set aside afterwards: %w", path, err),
				"make the file writable for this user; two programs that hold one login log each other out")
		}
	}
	if err := sameOrigin(p, login.Auth); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	done, err := a.importLogin(ctx, m, login.Login, o)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	done.tool, done.path, done.others, done.left = tool, path, login.Others, o.copyDangerous
	done.linked = toolfile.ManyNames(path)
	if !o.copyDangerous {
		if done.backup, err = login.SetAside(ctx); err != nil {
			return hint.With(fmt.Errorf("the login is stored here, but %s could not be set aside: %w", path, err),
				"quit every program that uses that file and run the command again, before one of the two spends the other's refresh token")
		}
	}
	return a.tellImport(done, p)
}

func (a *app) readLogin(tool *foreign.Tool, path string) (*foreign.Login, error) {
	login, err := tool.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, a.noFile(tool, path)
	}
	for _, content := range []error{codexcli.ErrMalformed, foreign.ErrMalformed, codexcli.ErrAPIKey, codexcli.ErrNoLogin, codexcli.ErrNoRefreshToken} {
		if errors.Is(err, content) {
			return nil, hint.With(err, "sign in instead: "+a.Command("login"))
		}
	}
	return login, err
}

func (a *app) tellImport(done imported, p *place.Place) error {
	if a.Flags.JSON {
		var tool string
		if done.tool != nil {
			tool = done.tool.Name
		}
		return a.PrintJSON(struct {
			Profile   string  `json:"profile"`
			Stored    bool    `json:"stored"`
			AccountID *string `json:"account_id"`
			Backup    *string `json:"backup"`
			Tool      *string `json:"tool"`
			Path      *string `json:"path"`
		}{p.Profile, done.stored, ui.Known(done.account.ID), ui.Known(done.backup), ui.Known(tool), ui.Known(done.path)})
	}
	if done.stored {
		a.Say("Imported the login of %s, %s; stored in %s.", ui.AccountText(done.account), ui.AccountPhrase(done.account), cleantext.OneLine(p.Store.String()))
	} else {
		a.Say("This login is stored already, or is an older state of it; nothing in the store was changed.")
	}
	a.tellSource(done)
	return nil
}

// tellSource says what became of the file.
func (a *app) tellSource(done imported) {
	path := cleantext.OneLine(done.path)
	switch {
	case done.path == "":
		a.Say("Don't use this login where it came from any more: whichever program refreshes second ends it for both.")
		return
	case done.left:
		a.Say("warning: %s was left in place: whichever program refreshes second ends the login for both", path)
		return
	case done.backup != "" && done.others > 0:
		a.Say("It was taken out of %s, which keeps %s; what was taken out is in %s.\nDon't put it back: its refresh token can be used only once, and codexauth uses it now. Delete it once `codexauth token` works.",
			path, ui.Count(done.others, "other login"), cleantext.OneLine(done.backup))
	case done.backup != "":
		a.Say("The file was renamed to %s.\nDon't put it back: its refresh token can be used only once, and codexauth uses it now. Delete it once `codexauth token` works.", cleantext.OneLine(done.backup))
	case done.linked:
		a.Say("%s has another name (a hard link), so the login was taken out of it in place, under each of them; there is no backup.", path)
	default:
		a.Say("%s can't be renamed: the login was taken out of it in place, and there is no backup.", path)
	}
	if done.tool.Name == foreign.Codex {
		a.Say("To let the Codex CLI use this login, run %s.", a.Command("setup codex"))
		return
	}
	a.Say("%s is signed out now. `codexauth setup` and `codexauth exec` let tools use this login; their --help says how.", ui.Capital(done.tool.Title))
}
