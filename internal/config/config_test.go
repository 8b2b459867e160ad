package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"codexauth/internal/hint"
)

// local makes absolute paths of Unix, in a text or alone, such ones of this system.
func local(text string) string {
	if runtime.GOOS != "windows" {
		return text
	}
	text = strings.NewReplacer("file:/", "file:C:/", `"/`, `"C:/`).Replace(text)
	if strings.HasPrefix(text, "/") {
		return "C:" + text
	}
	return text
}

// at makes text the config file.
func at(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.toml")
	if text != "" {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(Variable, path)
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestResolve(t *testing.T) {
	at(t, local(`
profile = "work"
store = "keyring:"
identity-file = "/keys/a"
client-id = "mine"

[profiles.work]
store = "file:/srv/work"

[profiles."Two Words"]
identity-file = "plain"
store = "file:/srv/two"
`))
	f, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	set := func(name, value string) func(string) string {
		return func(asked string) string {
			if asked == name {
				return value
			}
			return ""
		}
	}
	none := set("", "")
	tests := []struct {
		name           string
		flag, variable func(string) string
		of             string
		want           Setting
	}{
		{"the file", none, none, Profile, Setting{Value: "work", Source: FromFile}},
		{"the profile's own", none, none, Store, Setting{Value: "file:/srv/work", Source: FromFile, Own: true}},
		{"everybody's", none, none, ClientID, Setting{Value: "mine", Source: FromFile}},
		{"nobody's", none, none, CAFile, Setting{Source: FromDefault}},
		{"another profile", set(Profile, "home"), none, Store, Setting{Value: "keyring:", Source: FromFile}},
		{"a variable before the file", none, set("CODEXAUTH_STORE", "file:/x"), Store, Setting{Value: "file:/x", Source: FromVariable, Overridden: "file:/srv/work"}},
		{"a flag before a variable", set(Store, "file:/y"), set("CODEXAUTH_STORE", "file:/x"), Store, Setting{Value: "file:/y", Source: FromFlag, Overridden: "file:/srv/work"}},
		{"a variable that says the same", none, set("CODEXAUTH_PROFILE", "work"), Profile, Setting{Value: "work", Source: FromVariable}},
		{"a key", none, none, IdentityFile, Setting{Value: "/keys/a", Source: FromFile}},
		{"a key and a keyring", set(Profile, "home"), none, IdentityFile, Setting{Source: FromDefault, Overridden: "/keys/a", Unused: "this store has no use for a key"}},
		{"a key and another store", set(Store, "file:/shared"), none, IdentityFile, Setting{Source: FromDefault, Overridden: "/keys/a", Unused: "the file's key is for the store that the file names"}},
		{"a key and the same store", none, set("CODEXAUTH_STORE", "file:/srv/work"), IdentityFile, Setting{Value: "/keys/a", Source: FromFile}},
		{"a key that was named", set(IdentityFile, "/keys/b"), set("CODEXAUTH_STORE", "file:/shared"), IdentityFile, Setting{Value: "/keys/b", Source: FromFlag, Overridden: "/keys/a"}},
		{"no key", set(Profile, "Two Words"), none, IdentityFile, Setting{Source: FromFile, Own: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			flag := func(name string) string { return local(tt.flag(name)) }
			variable := func(name string) string { return local(tt.variable(name)) }
			tt.want.Name, tt.want.Value, tt.want.Overridden = tt.of, local(tt.want.Value), local(tt.want.Overridden)
			if got := Resolve(flag, variable, f).Get(tt.of); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// What can't be used is refused as a whole, in one line that says what to do and
// shows no value.
func TestBadFiles(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"torn":                          {"store = \"file:/PLANTED", "not valid TOML, or were cut off (line 1"},
		"torn in a table":               {"profile = \"a\"\n[profiles.wo", "line 2"},
		"an unknown setting":            {"stroe = \"PLANTED\"\n", `unknown setting "stroe"`},
		"an underscore":                 {"identity_file = \"/k\"\n", `unknown setting "identity_file"`},
		"an unknown table":              {"[serve]\nlisten = \"x\"\n", `unknown setting "serve"`},
		"unknown in a table":            {"[profiles.work]\ntoken = \"PLANTED\"\n", `"profiles.work.token"`},
		"a profile of a profile":        {"[profiles.work]\nprofile = \"x\"\n", `"profiles.work.profile"`},
		"a number":                      {"store = 5\n", "store that is not text"},
		"profiles that are no table":    {"profiles = 5\n", "profiles that is not a table"},
		"a profile that is not a table": {"profiles.work = \"x\"\n", "profiles.work that is not a table"},
		"an empty value":                {"profile = \"\"\n", "profile that is empty"},
		"a password":                    {"store = \"postgres://me:PLANTED@db/x\"\n", "store with a password in it"},
		"a password in the query":       {"store = \"postgres://db/x?password=PLANTED\"\n", "store with a password in it"},
		"a password of an etcd":         {"store = \"etcd://me:PLANTED@h:1/x\"\n", "store with a password in it"},
		"a password of an issuer":       {"issuer = \"https://me:PLANTED@h/\"\n", "issuer with a password in it"},
		"a key":                         {"[profiles.a]\nidentity-file = \"AGE-SECRET-KEY-PLANTED\"\n", "that is a key itself"},
		"a descriptor":                  {"identity-file = \"fd:5\"\n", "is a descriptor"},
		"a relative key file":           {"identity-file = \"key\"\n", "not an absolute path"},
		"a relative store":              {"store = \"file:here\"\n", "path is not absolute"},
		"a home that nobody expands":    {"store = \"keyring:~/x\"\n", "path is not absolute"},
		"a store without a kind":        {"store = \"/srv/x\"\n", "without a kind of store"},
		"a terminal's control":          {"issuer = \"https://h\\u001b\"\n", "control character"},
		"a secret as a name":            {"PLANTEDPLANTEDPLANTEDPLANTEDPLANTED = \"x\"\n", "unknown setting"},
	} {
		t.Run(name, func(t *testing.T) {
			path := at(t, tt.text)
			_, err := Read()
			var unusable *Error
			var usage *hint.UsageError
			if !errors.As(err, &unusable) || !errors.As(err, &usage) || unusable.Path != path {
				t.Fatalf("error %v", err)
			}
			if text := err.Error(); !strings.Contains(text, tt.says) || !strings.Contains(text, path) || strings.ContainsAny(text, "\n\x1b") || strings.Contains(text+usage.Hint, "PLANTED") || usage.Hint == "" {
				t.Errorf("%q, hint %q; want %q", text, usage.Hint, tt.says)
			}
			// Nor is it changed.
			if _, err := Apply(t.Context(), Set("", Profile, "x")); !errors.As(err, &unusable) || content(t, path) != tt.text {
				t.Errorf("it was changed: %v", err)
			}
		})
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Variable, "")
	t.Setenv("CODEXAUTH_HOME", dir)
	if f, err := Read(); err != nil || f.Exists || f.Path != filepath.Join(dir, "config.toml") {
		t.Errorf("%+v, %v", f, err)
	}
	at(t, "")
	var unusable *Error
	if _, err := Read(); !errors.As(err, &unusable) { // somebody meant that one
		t.Errorf("error %v", err)
	}
	t.Setenv(Variable, os.DevNull)
	if f, err := Read(); err != nil || f.Path != "" {
		t.Errorf("%+v, %v", f, err)
	}
	t.Setenv(Variable, "here.toml")
	if _, err := Read(); err == nil {
		t.Error("a relative path means another file in each directory")
	}
}

// What a person wrote stays as it is, but for the one line.
func TestEdit(t *testing.T) {
	const mine = "# mine\nprofile = \"work\" # the usual one\n\n# where CI is\n[profiles.ci]\nstore = 'file:/ci'   # its own # disk\n  client-id=\"x\"\n\n[profiles.work] # and work\n"
	tests := map[string]struct {
		text    string
		changes []Change
		want    string
	}{
		"an empty file":           {"", []Change{Set("", Store, "keyring:")}, "store = \"keyring:\"\n"},
		"a table in it":           {"", []Change{Set("work", Store, "keyring:")}, "[profiles.work]\nstore = \"keyring:\"\n"},
		"only a comment":          {"# mine", []Change{Set("", Store, "keyring:")}, "# mine\nstore = \"keyring:\"\n"},
		"replaced":                {mine, []Change{Set("", Profile, "ci")}, strings.Replace(mine, `"work" #`, `"ci" #`, 1)},
		"replaced in one":         {mine, []Change{Set("ci", Store, local(`file:/a "b"\c`))}, strings.Replace(mine, `'file:/ci'`, `"file:/a \"b\"\\c"`, 1)},
		"indented":                {mine, []Change{Set("ci", ClientID, "y")}, strings.Replace(mine, `  client-id="x"`, `  client-id="y"`, 1)},
		"added at the top":        {mine, []Change{Set("", Store, "file:")}, strings.Replace(mine, "usual one\n", "usual one\nstore = \"file:\"\n", 1)},
		"added to one":            {mine, []Change{Set("ci", CAFile, local("/ca"))}, strings.Replace(mine, "\"x\"\n", "\"x\"\nca-file = \"/ca\"\n", 1)},
		"added to an empty table": {mine, []Change{Set("work", CAFile, local("/ca"))}, mine + "ca-file = \"/ca\"\n"},
		"a new table":             {mine, []Change{Set("a b", Store, "file:")}, mine + "\n[profiles.\"a b\"]\nstore = \"file:\"\n"},
		"before a table":          {"# of a\n[profiles.a]\nstore = \"file:\"\n", []Change{Set("", Profile, "a")}, "profile = \"a\"\n\n# of a\n[profiles.a]\nstore = \"file:\"\n"},
		"taken out":               {mine, []Change{Unset("ci", Store), Unset("", Profile), Unset("", CAFile)}, strings.Replace(strings.Replace(mine, "store = 'file:/ci'   # its own # disk\n", "", 1), "profile = \"work\" # the usual one\n", "", 1)},
		"renamed":                 {mine, []Change{Rename("work", "a b")}, strings.Replace(strings.Replace(mine, `"work" #`, `"a b" #`, 1), "[profiles.work] #", `[profiles."a b"] #`, 1)},
		"renamed another":         {mine, []Change{Rename("ci", "x")}, strings.Replace(mine, "[profiles.ci]", "[profiles.x]", 1)},
		"CRLF and a mark":         {bom + "profile = \"a\"\r\n", []Change{Set("", Profile, "b"), Set("b", Store, "file:")}, bom + "profile = \"b\"\r\n\r\n[profiles.b]\r\nstore = \"file:\"\r\n"},
		"without an end":          {"profile = \"a\"", []Change{Set("", Store, "file:")}, "profile = \"a\"\nstore = \"file:\"\n"},
		"a dotted key":            {"profiles.a.store = \"file:/a\"\n", []Change{Set("a", Store, local("file:/b"))}, "profiles.a.store = \"file:/b\"\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := at(t, local(tt.text))
			if err := Try(t.Context(), tt.changes...); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); tt.text == "" && err == nil {
				t.Error("Try made a file")
			}
			if _, err := Apply(t.Context(), tt.changes...); err != nil {
				t.Fatal(err)
			}
			if got, want := content(t, path), local(tt.want); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// What can't be changed line by line is left alone.
func TestEditLeavesAlone(t *testing.T) {
	for name, text := range map[string]string{
		"an inline table":  "profiles = { work = { store = \"file:/a\" } }\n",
		"a text of lines":  "[profiles.work]\nstore = \"\"\"\nfile:/a\"\"\"\n",
		"a line in a text": "client-id = '''\n[profiles.work]\nstore = \"file:/b\"'''\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := at(t, text)
			if _, err := Apply(t.Context(), Set("work", Store, "keyring:")); err == nil {
				t.Errorf("it was changed to %q", content(t, path))
			} else if content(t, path) != text {
				t.Errorf("%v, and it was changed", err)
			}
		})
	}
}

// Changes that are made at once are all made.
func TestChangesAtOnce(t *testing.T) {
	path := at(t, "# mine\n")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := Apply(t.Context(), Set(fmt.Sprint("p", i), Store, "keyring:")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	f, err := Read()
	if err != nil || len(f.Profiles()) != 20 || !strings.HasPrefix(content(t, path), "# mine\n") {
		t.Errorf("%v, %v", f, err)
	}
}

// A link is followed, and stays one.
func TestLinkedFile(t *testing.T) {
	path := at(t, "")
	elsewhere := filepath.Join(t.TempDir(), "dotfiles.toml")
	err := os.Symlink(elsewhere, path)
	if _, readErr := os.Readlink(path); err != nil || readErr != nil { // Wine says that it has some
		t.Skip("no symbolic links here: ", err)
	}
	var unusable *Error
	if _, err := Read(); !errors.As(err, &unusable) || !strings.Contains(err.Error(), "leads nowhere") {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(elsewhere, []byte("profile = \"a\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), Set("", Profile, "b")); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(path); err != nil || target != elsewhere || content(t, elsewhere) != "profile = \"b\"\n" {
		t.Errorf("%q, %v", target, err)
	}
}

// What the line editor makes of a text says what it is to say, whatever the text.
func FuzzEdit(f *testing.F) {
	f.Add("profile = \"a\"\n[profiles.a]\nstore = 'file:/x' # y\n", "a", "file:/z")
	f.Add("client-id = '''\n[profiles.a]\nstore = 1'''\n", "a b", `keyring:/"\`)
	f.Fuzz(func(t *testing.T, text, profile, value string) {
		before, err := parse("f", text)
		if err != nil || profile == "" || Check(Store, value) != nil {
			return
		}
		edited, err := edit("f", text, []Change{Set(profile, Store, value)})
		if err != nil {
			return // left alone
		}
		after, err := parse("f", edited)
		if err != nil {
			t.Fatalf("%q: %v", edited, err)
		}
		if got, own := after.Value(profile, Store); got != value || !own {
			t.Errorf("%q says %q", edited, got)
		}
		if !reflect.DeepEqual(before.top, after.top) {
			t.Errorf("%q: the rest has changed", edited)
		}
	})
}
