package config

import (
	"cmp"
	"strings"

	"codexauth/internal/address"
)

// DefaultProfile is the profile where none is named.
const DefaultProfile = "default"

// Plain is the identity-file of a profile that has no key although the others have.
const Plain = "plain"

// A Source is where a setting comes from.
type Source string

// The sources, the strongest first.
const (
	FromFlag     Source = "flag"
	FromVariable Source = "variable"
	FromFile     Source = "file"
	FromDefault  Source = "default"
)

// A Setting is what holds for one setting, and why.
type Setting struct {
	Name   string
	Value  string // "" is the built-in default
	Source Source
	Own    bool // in the file: in the profile's own table
	// Overridden is what the file says while a flag or a variable says otherwise.
	Overridden string
	// Unused is why what the file says is not for the login at hand.
	Unused string
}

// Settings are what holds for one run.
type Settings struct {
	File *File
	all  [6]Setting // in the order of Names
}

// All lists every setting.
func (s *Settings) All() []Setting { return s.all[:] }

// Get returns one setting.
func (s *Settings) Get(name string) Setting {
	for _, setting := range s.all {
		if setting.Name == name {
			return setting
		}
	}
	return Setting{Name: name, Source: FromDefault}
}

// VariableOf is the environment variable of a setting.
func VariableOf(name string) string {
	switch name {
	case Profile:
		return "CODEXAUTH_PROFILE"
	case Store:
		return "CODEXAUTH_STORE"
	case Issuer:
		return "CODEXAUTH_ISSUER"
	case ClientID:
		return "CODEXAUTH_CLIENT_ID"
	case IdentityFile:
		return "CODEXAUTH_IDENTITY_FILE"
	}
	return "CODEXAUTH_CA_FILE"
}

// Resolve decides each setting: a flag, its variable, the file, the default. flag
// and getenv return "" for what is not given.
func Resolve(flag, getenv func(name string) string, f *File) *Settings {
	s := &Settings{File: f}
	profile := DefaultProfile
	for i, name := range Names() {
		set := Setting{Name: name, Source: FromDefault}
		filed, own := f.Value(profile, name)
		if text := flag(name); text != "" {
			set.Value, set.Source = text, FromFlag
		} else if text := getenv(VariableOf(name)); text != "" {
			set.Value, set.Source = text, FromVariable
		} else if filed != "" {
			set.Value, set.Source, set.Own = filed, FromFile, own
		}
		if set.Source != FromFile && filed != set.Value {
			set.Overridden = filed
		}
		if name == Profile && set.Value != "" {
			profile = set.Value
		}
		s.all[i] = set
	}
	s.keepKeyToItsStore()
	return s
}

// keepKeyToItsStore leaves out a key of the file's that is for another store: a login
// that it does not seal yet would be sealed with it at the next refresh, for
// everybody who uses that store.
func (s *Settings) keepKeyToItsStore() {
	store := s.Get(Store)
	filed, _ := s.File.Value(cmp.Or(s.Get(Profile).Value, DefaultProfile), Store)
	for i := range s.all {
		key := &s.all[i]
		if key.Name != IdentityFile || key.Source != FromFile {
			continue
		}
		if key.Value == Plain {
			key.Value = ""
			continue
		}
		switch {
		case address.HasOwnKey(store.Value):
			key.Unused = "this store has no use for a key"
		case store.Source != FromFile && store.Source != FromDefault && store.Value != filed:
			key.Unused = "the file's key is for the store that the file names"
		default:
			continue
		}
		key.Overridden, key.Value, key.Source, key.Own = key.Value, "", FromDefault, false
	}
}

// Shown is a value as people may see it: without the secret that a variable or a
// flag may have brought.
func Shown(name, value string) string {
	if name == Store {
		value = address.WithoutPassword(value)
	}
	if strings.Contains(value, "AGE-SECRET-KEY-") || strings.Contains(value, "AGE-PLUGIN-") ||
		name != IdentityFile && name != CAFile && hasUserPassword(value) {
		return "(a secret, not shown)"
	}
	return value
}
