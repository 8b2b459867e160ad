package main

import (
	"os"
	"path/filepath"
	"testing"
)

// What names a package of the module is renamed, and what is only called like it stays.
func TestRename(t *testing.T) {
	before := map[string]string{
		"go.mod":          "module logins\n\ngo 1.26.0\n",
		"logins.go":       "package logins\n\nimport (\n\t\"fmt\"\n\n\t\"logins/store\"\n\t\"zebra\"\n)\n\nconst Dir, Key, Pkg = \"logins\", \"logins/\", \"logins/store\"\n",
		"store/store.go":  "package store\n",
		"sub/go.mod":      "module logins/sub\n\nrequire logins v0.0.0\n\nreplace logins => ../\n",
		"README.md":       "logins/store is a package.\n\n\t\"logins/store\"\n\nreplace logins => ../logins\n",
		"docs/notes.text": "\"logins/store\"\n",
	}
	after := map[string]string{
		"go.mod":          "module example.org/new\n\ngo 1.26.0\n",
		"logins.go":       "package logins\n\nimport (\n\t\"fmt\"\n\n\t\"example.org/new/store\"\n\t\"zebra\"\n)\n\nconst Dir, Key, Pkg = \"logins\", \"logins/\", \"example.org/new/store\"\n",
		"store/store.go":  "package store\n",
		"sub/go.mod":      "module example.org/new/sub\n\nrequire example.org/new v0.0.0\n\nreplace example.org/new => ../\n",
		"README.md":       "logins/store is a package.\n\n\t\"example.org/new/store\"\n\nreplace example.org/new => ../logins\n",
		"docs/notes.text": "\"logins/store\"\n",
	}
	dir := t.TempDir()
	for name, text := range before {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := rename(dir, "example.org/new"); err != nil {
		t.Fatal(err)
	}
	for name, want := range after {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, want)
		}
	}
	for _, bad := range []string{"", "../up", "With Space", "a//b"} {
		if err := rename(dir, bad); err == nil {
			t.Errorf("%q was taken for a module path", bad)
		}
	}
}
