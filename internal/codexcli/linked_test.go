package codexcli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Under whichever name somebody opens it, what was taken away from a file is gone.
func TestSecondNameLosesTheLogin(t *testing.T) {
	const data = `{"OPENAI_API_KEY":"mine","tokens":{"refresh_token":"rt"}}`
	for name, c := range map[string]struct {
		take func(path string) (backup string, err error)
		want string
	}{
		"set aside": {func(path string) (string, error) { return SetAside(t.Context(), path, []byte(data)) }, `{"OPENAI_API_KEY":"mine"}`},
		"moved":     {func(path string) (string, error) { return MoveAway(path, []byte("{}\n")) }, "{}\n"},
		"taken out": {func(path string) (string, error) { return TakeOut(path, []byte("rest"), []byte("taken")) }, "rest"},
	} {
		t.Run(name, func(t *testing.T) {
			path := authPath(t, data)
			second := filepath.Join(t.TempDir(), "second")
			if err := os.Link(path, second); err != nil {
				t.Skipf("no hard links here: %v", err)
			}
			backup, err := c.take(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range []string{path, second} {
				if got, err := os.ReadFile(file); err != nil || string(got) != c.want {
					t.Errorf("%s holds %q, %v; want %q", filepath.Base(file), got, err, c.want)
				}
			}
			if (backup != "") != (name == "taken out") {
				t.Errorf("backup %q", backup)
			}
			if err := os.Remove(second); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := c.take(path); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path); name != "taken out" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("with one name it is still there: %v", err)
			}
		})
	}
}
