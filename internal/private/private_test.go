//go:build unix

package private

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestMkdirAll(t *testing.T) {
	base := t.TempDir()
	fresh := filepath.Join(base, "a", "b")
	if err := MkdirAll(fresh); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(fresh); info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
	open := filepath.Join(base, "open")
	link := filepath.Join(base, "link")
	file := filepath.Join(base, "file")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(fresh, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{open, link, file} {
		if err := MkdirAll(dir); err == nil {
			t.Errorf("%s was taken for a private directory", dir)
		}
	}
}

func TestCheckFile(t *testing.T) {
	dir := t.TempDir()
	for name, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false} {
		path := filepath.Join(dir, name.String())
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, name); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckFile(path, info); (err == nil) != ok {
			t.Errorf("mode %v: %v", name, err)
		}
		var e *Exposed
		if errors.As(CheckFile(path, info), &e) == ok || !ok && (e.Foreign() || e.Mode != name || e.Path != path) {
			t.Errorf("mode %v: %+v", name, e)
		}
	}
	if info, _ := os.Lstat(dir); CheckFile(dir, info) == nil {
		t.Error("a directory was taken for a file")
	}
}
