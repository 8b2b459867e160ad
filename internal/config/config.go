// Package config reads and changes the config file: what a person chose once,
// for every shell, job and program of theirs. A flag and a variable come before it.
//
// It is TOML, and holds no secret:
//
//	profile = "work"            # the login in use where none is named
//	store = "keyring:"          # for every profile without a line of its own
//
//	[profiles.work]
//	store = "postgres://codexauth@db.example/codexauth?sslmode=verify-full"
//
// Whoever can write it says where logins come from and go to, so it is read only
// if nobody but this user and the administrator can.
package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// The settings. Each is named as its flag is.
const (
	Profile      = "profile"
	Store        = "store"
	Issuer       = "issuer"
	ClientID     = "client-id"
	IdentityFile = "identity-file"
	CAFile       = "ca-file"
)

// Names lists the settings in the order in which people are shown them.
func Names() []string { return []string{Profile, Store, Issuer, ClientID, IdentityFile, CAFile} }

// OfProfile reports whether a setting can be one profile's own.
func OfProfile(name string) bool { return name != Profile && slices.Contains(Names(), name) }

// tables is the table that holds one table for each profile.
const tables = "profiles"

// A File is what a config file says. The zero File says nothing.
type File struct {
	Path     string // where it is, or would be; "" where the system has no place for it
	Exists   bool
	top      map[string]string
	profiles map[string]map[string]string
}

// Value is what the file says of a setting for a profile, and whether that stands in
// the profile's own table; "" if it says nothing.
func (f *File) Value(profile, name string) (value string, own bool) {
	if value := f.profiles[profile][name]; value != "" && OfProfile(name) {
		return value, true
	}
	return f.top[name], false
}

// Profiles lists the profiles that have a table.
func (f *File) Profiles() (names []string) {
	for name := range f.profiles {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// An Error is a config file that can't be used, or not be changed. Nothing of
// it was taken, and nothing was changed.
type Error struct {
	Path string
	err  error
}

func (e *Error) Error() string { return "the settings in " + e.Path + " " + e.err.Error() }

func (e *Error) Unwrap() error { return e.err }

func unusable(path, message, what string) error {
	return &Error{path, hint.Usage(message, what)}
}

const bom = "\ufeff"

// parse reads the text of the file at path. An error names the line or the
// setting that is wrong and shows no value: somebody may have put a secret there.
func parse(path, text string) (*File, error) {
	values := map[string]any{}
	err := toml.Unmarshal([]byte(strings.TrimPrefix(text, bom)), &values)
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		return nil, unusable(path, fmt.Sprintf("are not valid TOML, or were cut off (line %d, column %d)", line, column), "fix that line or bring the file back; without the file the defaults apply")
	}
	if err != nil {
		return nil, unusable(path, "can't be read as TOML", "fix the file or bring it back; without the file the defaults apply")
	}
	f := &File{Path: path, Exists: true}
	profiles, isTable := values[tables].(map[string]any)
	if _, there := values[tables]; there && !isTable {
		return nil, wrongKind(path, tables)
	}
	delete(values, tables)
	if f.top, err = settings(path, "", values); err != nil {
		return nil, err
	}
	f.profiles = make(map[string]map[string]string, len(profiles))
	for name, table := range profiles {
		own, isTable := table.(map[string]any)
		if !isTable || name == "" {
			return nil, wrongKind(path, tables+"."+name)
		}
		if f.profiles[name], err = settings(path, tables+"."+name+".", own); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func wrongKind(path, name string) error {
	return unusable(path, fmt.Sprintf("have a %s that is not a table", cleantext.Message(name)), "write [profiles.NAME], and below it what is this profile's own")
}

// settings takes over one table.
func settings(path, prefix string, values map[string]any) (map[string]string, error) {
	table := make(map[string]string, len(values))
	for name, value := range values {
		if !slices.Contains(Names(), name) || prefix != "" && name == Profile {
			return nil, unusable(path, fmt.Sprintf("have an unknown setting %q", cleantext.Message(prefix+name)), known(prefix, name))
		}
		text, isText := value.(string)
		if !isText {
			return nil, unusable(path, "have "+article(prefix+name)+" that is not text", "put it into quotes")
		}
		if message, what := check(name, text); message != "" {
			return nil, unusable(path, "have "+article(prefix+name)+" "+message, what)
		}
		table[name] = text
	}
	return table, nil
}

// known says which settings there are, or which one was most likely meant.
func known(prefix, name string) string {
	if dashed := strings.ReplaceAll(strings.ToLower(name), "_", "-"); slices.Contains(Names(), dashed) && (prefix == "" || dashed != Profile) {
		return "write " + dashed
	}
	names := Names()
	if prefix != "" {
		names = names[1:]
	}
	return "there are " + strings.Join(names, ", ") + "; take the line out, or use the version of codexauth that it is for"
}
