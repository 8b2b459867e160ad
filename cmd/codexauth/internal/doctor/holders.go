package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/config"
	"codexauth/internal/foreign"
	"codexauth/internal/place"
	"codexauth/internal/reserved"
	"codexauth/store/file"
	"codexauth/store/keyring"
)

// A holder is a place on this machine that may hold a refresh token of a login of
// ours.
type holder struct {
	what    string // as people read it
	tokens  []codexauth.Secret
	unused  bool   // nobody refreshes with what stands there, unless it is put back
	key     string // of a store's profile
	profile string // of this store, which holds its own token rightly; "" is none
	remedy  func(profile string) string
}

// checkHolders looks whether anything on this machine besides the Codex CLI's auth.json,
// of which codex_login tells, holds a refresh token of this store's: a file of another
// tool, a backup, a rescue file, another store, another profile.
func (d *Examination) checkHolders(ctx context.Context) finding {
	managers := d.managers(ctx)
	if len(managers) == 0 {
		return skipped("there is no store to compare with")
	}
	holders := slices.Concat(d.otherTools(), d.otherStores(ctx), d.otherProfiles(ctx))
	var inUse, left, remedies []string
	for _, h := range holders {
		for _, m := range managers {
			current, spent, err := m.Holds(ctx, h.tokens...)
			if err != nil || m.profile == h.profile || !current && (!spent || h.unused) {
				continue
			}
			said := fmt.Sprintf("%s has the refresh token of the login of profile %s", h.what, m.profile)
			if !current {
				said = fmt.Sprintf("%s has a spent refresh token of the login of profile %s", h.what, m.profile)
			}
			if h.unused {
				left = append(left, said)
			} else {
				inUse = append(inUse, said)
			}
			remedies = append(remedies, h.remedy(m.profile))
			break
		}
	}
	remedy := strings.Join(slices.Compact(remedies), "; ")
	switch {
	case len(inUse) > 0:
		return problem(remedy, "%s: whoever refreshes second ends the login for both", strings.Join(append(inUse, left...), ", and "))
	case len(left) > 0:
		return warning(remedy, "%s; no program uses it there, and one that did would end the login", strings.Join(left, ", and "))
	}
	return okay("looked at %s: no refresh token of a login that is kept here is there", ui.Count(len(holders), "other place"))
}

// otherTools are the files of other tools, and what looks like backups of them.
func (d *Examination) otherTools() (all []holder) {
	home, _ := codexcli.Home()
	for _, p := range foreign.Places() {
		if p.Path == filepath.Join(home, codexcli.AuthFile) {
			continue
		}
		h := holder{what: p.Path, tokens: foreign.TokensIn(p.Path), unused: p.Backup}
		switch {
		case p.Backup:
			h.remedy = func(string) string { return "delete it: rm " + cleantext.ShellWord(p.Path) }
		case p.Tool != "":
			h.remedy = func(profile string) string {
				return fmt.Sprintf("quit %s, then run `codexauth --profile %s import --from %s %s`, which takes it out of the file", p.Title, cleantext.ShellWord(profile), p.Tool, cleantext.ShellWord(p.Path))
			}
		default:
			h.remedy = func(profile string) string {
				return fmt.Sprintf("quit %s and take its login out of that file, or give codexauth a login of its own: `codexauth --profile %s login --force`", p.Title, cleantext.ShellWord(profile))
			}
		}
		if len(h.tokens) > 0 {
			all = append(all, h)
		}
	}
	return all
}

// otherStores are the directories of other stores that the settings name, the usual
// ones, and the rescue files of this user's. What is sealed tells nothing.
func (d *Examination) otherStores(ctx context.Context) (all []holder) {
	for _, dir := range d.otherDirectories() {
		store, err := file.Open(dir)
		if err != nil {
			continue
		}
		all = append(all, holdersIn(ctx, store, "profile %s in the store "+dir, "--store "+cleantext.ShellWord("file:"+dir)+" ")...)
	}
	for _, p := range d.manager.RescuePlaces(ctx) {
		entries, _ := os.ReadDir(p.Dir)
		for _, e := range entries {
			path := filepath.Join(p.Dir, e.Name())
			if tokens := foreign.TokensIn(path); len(tokens) > 0 {
				all = append(all, holder{what: path, tokens: tokens, unused: true, remedy: func(string) string { return "nothing to do: the next refresh removes what is out of date" }})
			}
		}
	}
	return all
}

func (d *Examination) otherDirectories() (dirs []string) {
	addresses := []string{"file:", "keyring:"}
	if d.Settings != nil && d.Settings.File != nil {
		for _, profile := range append(d.Settings.File.Profiles(), "") {
			address, _ := d.Settings.File.Value(profile, config.Store)
			addresses = append(addresses, address)
		}
	}
	for _, address := range addresses {
		kind, rest, _ := strings.Cut(address, ":")
		usual := file.DefaultDir
		if kind == "keyring" {
			usual = keyring.DefaultDir
		} else if kind != "file" {
			continue
		}
		if dir, err := place.Directory(rest, usual); err == nil && dir != d.dir() && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// otherProfiles are the profiles of this store that are not sealed: one may hold a copy of
// another's login.
func (d *Examination) otherProfiles(ctx context.Context) (all []holder) {
	if all = holdersIn(ctx, d.Place.Store, "profile %s", ""); len(all) < 2 {
		return nil
	}
	for i := range all {
		all[i].profile = all[i].key
	}
	return all
}

// holdersIn are the profiles of a store that can be read. flags name the store.
func holdersIn(ctx context.Context, store codexauth.Store, what, flags string) (all []holder) {
	keys, _ := store.List(ctx)
	keys = reserved.Without(keys)
	for _, key := range keys[:min(len(keys), maxProfiles)] {
		data, err := store.Load(ctx, key)
		if err != nil {
			continue
		}
		all = append(all, holder{what: fmt.Sprintf(what, key), key: key, tokens: foreign.TokensOf(data), remedy: func(string) string {
			return fmt.Sprintf("sign one of the two out, without telling the server: `codexauth %s--profile %s logout --local`", flags, cleantext.ShellWord(key))
		}})
	}
	return all
}
