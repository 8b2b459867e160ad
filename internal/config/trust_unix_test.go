//go:build unix

package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that others could have written is not read, and not written either.
func TestUntrustedFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(path string) error
		says  string
	}{
		"world-writable":           {func(path string) error { return os.Chmod(path, 0o666) }, "can be written by every user"},
		"a world-writable place":   {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) }, "their directory can be written by every user"},
		"a sticky place":           {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) }, "their directory can be written by every user"},
		"another user's":           {func(path string) error { return os.Chown(path, 65534, 65534) }, "belongs to another user"},
		"another user's directory": {func(path string) error { return os.Chown(filepath.Dir(path), 65534, 65534) }, "their directory belongs to another user"},
		"a pipe": {func(path string) error {
			return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600))
		}, "are not in a regular file"},
		"a directory": {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "are not in a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := at(t, "store = \"keyring:\"\n")
			if err := tt.spoil(path); errors.Is(err, os.ErrPermission) {
				t.Skip("only root can give a file to another user")
			} else if err != nil {
				t.Fatal(err)
			}
			_, err := Read()
			var unusable *Error
			if !errors.As(err, &unusable) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			if _, err := Apply(t.Context(), Set("", Store, "file:")); !errors.As(err, &unusable) {
				t.Errorf("it was changed: %v", err)
			}
		})
	}
	path := at(t, "store = \"keyring:\"\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(); err != nil {
		t.Errorf("it holds no secret, and others may read it: %v", err)
	}
	if _, err := Apply(t.Context(), Set("", Store, "file:")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
