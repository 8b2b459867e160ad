package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/config"
	"codexauth/internal/place"
	"codexauth/internal/private"
	"codexauth/store/file"
)

func (d *Examination) codexChecks() []check {
	return []check{
		{"codex_login", d.checkCodexLogin},
		{"codex_config", d.checkCodexConfig},
		{"other_holders", d.checkHolders},
	}
}

// checkCodexLogin looks whether the official Codex CLI holds a refresh token of
// this store's: whichever of the two refreshes second ends the login.
func (d *Examination) checkCodexLogin(ctx context.Context) finding {
	home, err := codexcli.Home()
	if err != nil {
		return skipped("%v", err)
	}
	path := filepath.Join(home, codexcli.AuthFile)
	data, shared, err := codexcli.ReadAuth(path)
	if errors.Is(err, fs.ErrNotExist) {
		return okay("there is no %s", path)
	}
	if err != nil {
		return warning("find out whose file that is; the Codex CLI and `codexauth import` want a regular file of this user", "%v", err)
	}
	auth, err := codexcli.ParseAuth(data)
	if err != nil {
		return okay("%s: %v", path, err)
	}
	if f, ours := d.ourToken(ctx, path, auth); ours {
		return f
	}
	if shared {
		return warning(closeFile(path), "other users of this machine can read %s, which holds a login", path)
	}
	detail := path + " holds another login"
	if s, ok := d.signedIn(); ok && s.Account.ID != "" && s.Account.ID == auth.Login.Account.ID {
		detail += " of the same account, with a refresh token of its own"
	}
	return okay("%s (harmless)", detail)
}

// ourToken looks for the profile whose refresh token an auth.json holds.
func (d *Examination) ourToken(ctx context.Context, path string, auth codexcli.Auth) (f finding, ours bool) {
	for _, m := range d.managers(ctx) {
		current, spent, err := m.holds(ctx, auth.Login.RefreshToken)
		if err != nil {
			continue
		}
		whose := "the login of profile " + m.profile
		remedy := "end every Codex CLI, then run `codexauth --profile " + cleantext.ShellWord(m.profile) + " import`, which sets the file aside, and `codexauth setup codex`"
		switch {
		case current:
			return problem(remedy, "%s holds the refresh token of %s: whichever program refreshes second ends it for both", path, whose), true
		case spent:
			return problem(remedy, "%s holds a spent refresh token of %s: a Codex CLI that uses it may end the login", path, whose), true
		}
	}
	return f, false
}

// A profileManager is a Manager of one profile of the store.
type profileManager struct {
	*codexauth.Manager
	profile string
}

func (m profileManager) holds(ctx context.Context, token codexauth.Secret) (current, spent bool, err error) {
	return m.Holds(ctx, token)
}

// managers are of all profiles of the store, ours first.
func (d *Examination) managers(ctx context.Context) []profileManager {
	if d.manager == nil || d.Place.Store == nil {
		return nil
	}
	managers := []profileManager{{d.manager, d.Place.Profile}}
	keys, _ := d.Place.Profiles(ctx)
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == d.Place.Profile })
	for _, key := range keys[:min(len(keys), maxProfiles)] {
		s, err := d.Place.Login(key).Describe(ctx)
		if err != nil {
			continue
		}
		m, err := codexauth.NewManager(codexauth.Config{
			Store: d.Place.Store, Key: key, Sealer: d.Place.Sealing(), Lazy: true,
			Provider: codexauth.Provider{Issuer: s.Issuer, ClientID: s.ClientID},
		})
		if err == nil {
			managers = append(managers, profileManager{m, key})
		}
	}
	return managers
}

// checkCodexConfig looks whether what `setup codex` wrote still fits.
func (d *Examination) checkCodexConfig(context.Context) finding {
	home, err := codexcli.Home()
	if err != nil {
		return warning("fix the file, or its mode", "%v", err)
	}
	config, err := codexcli.ReadConfig(home)
	if err != nil {
		return warning("fix the file, or its mode", "%v", err)
	}
	set, found, err := codexcli.FindSetup(config.Text)
	switch {
	case err != nil:
		return warning("fix it: the Codex CLI can't read it either", "%s is not valid: %v", config.Path, err)
	case !found && config.Text == "":
		return okay("there is no %s", config.Path)
	case !found:
		return okay("%s does not use codexauth; `codexauth setup codex` makes it", config.Path)
	case set.Profile != "":
		return warning("take the model_provider out of that profile, or end the use of it",
			"the profile %q, which %s puts into use, has a model_provider of its own, and that comes before codexauth's", set.Profile, config.Path)
	case !set.Active:
		return warning("`codexauth setup codex` puts it into use again, and `codexauth setup codex --undo` takes it out",
			"%s has the settings of codexauth and another model_provider in use", config.Path)
	}
	again := "run `codexauth setup codex` again"
	info, err := os.Stat(set.Command)
	switch {
	case err != nil:
		return problem(again+", or `codexauth setup codex --undo`", "%s names a codexauth that can't be found: %s", config.Path, set.Command)
	case !filepath.IsAbs(set.Command), info.IsDir(), info.Mode().Perm()&0o111 == 0 && modesTell:
		return problem(again, "%s names a codexauth that can't be run: %s", config.Path, set.Command)
	}
	if f, bad := d.setupDiffers(config.Path, set); bad {
		return f
	}
	return okay("%s uses %s", config.Path, set.Command)
}

// setupDiffers compares the settings with what is being looked at.
func (d *Examination) setupDiffers(path string, set codexcli.Setup) (f finding, bad bool) {
	again := "if that is not intended, run " + d.Command("setup codex") + " again"
	profile := set.Flag("--profile")
	if profile == "" {
		profile = codexauth.DefaultKey
	}
	if profile != d.Place.Profile {
		return warning(again, "%s uses the profile %s, and this is about %s", path, profile, d.Place.Profile), true
	}
	if d.Place.Broker != nil || strings.HasPrefix(set.Flag("--store"), "broker+") {
		if set.Flag("--store") == "" || d.Place.Broker == nil {
			return warning(again, "%s uses another store or broker than this is about", path), true
		}
		return f, false
	}
	store := strings.TrimPrefix(strings.TrimPrefix(set.Flag("--store"), "keyring:"), "file:")
	if store == "" {
		if d.Settings.Get(config.Store).Source == config.FromFile {
			return f, false // that program reads the same file
		}
		store, _ = place.Directory("", file.DefaultDir)
		if os.Getenv("CODEXAUTH_HOME") != "" {
			return f, false // whether it will be set there as well can't be told
		}
	}
	// A database is named by its whole address, other stores by their directory.
	if dir := d.dir(); store != d.Place.Address && (dir == "" || filepath.Clean(store) != dir) {
		return warning(again, "%s uses the store in %s, and this is about another", path, store), true
	}
	if s, ok := d.signedIn(); ok && set.AccountID != "" && set.AccountID != s.Account.ID {
		return problem("run "+d.Command("setup codex")+" again: the backend refuses the Codex CLI's requests", "%s names the account of an earlier sign-in", path), true
	}
	return f, false
}

// closeFile is the command that makes a file this user's alone.
func closeFile(path string) string {
	if runtime.GOOS == "windows" {
		return private.Remedy(path, false)
	}
	return "chmod 600 " + cleantext.ShellWord(path)
}
