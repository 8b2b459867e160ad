//go:build unix

package statedir

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestHomeThatSudoKept: root makes nothing in the home directory of the person who
// became root, whatever of the path is there already.
func TestHomeThatSudoKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user's root")
	}
	home := t.TempDir()
	for _, variable := range []string{"XDG_STATE_HOME", "XDG_CACHE_HOME", "PKEXEC_UID"} {
		t.Setenv(variable, "")
	}
	t.Setenv("HOME", home)
	ask := func(what string, want bool) {
		t.Helper()
		_, err := Dir()
		_, cacheErr := CacheDir()
		var kept *Kept
		if errors.As(err, &kept) != want || errors.As(cacheErr, &kept) != want {
			t.Errorf("%s: %v, %v", what, err, cacheErr)
		}
	}
	t.Setenv("SUDO_UID", "65534")
	ask("root's own home", false)
	if err := os.Chown(home, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	ask("another user's", true)
	t.Setenv("SUDO_UID", "")
	ask("a container whose root has that home", false)
	t.Setenv("PKEXEC_UID", "65534")
	ask("by pkexec", true)
	t.Setenv("PKEXEC_UID", "1000")
	ask("a third user's", false)
	if runtime.GOOS == "darwin" {
		return
	}
	t.Setenv("PKEXEC_UID", "65534")
	theirs := filepath.Join(t.TempDir(), "state")
	t.Setenv("XDG_STATE_HOME", filepath.Join(theirs, "deeper"))
	if err := os.Mkdir(theirs, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Dir(); err != nil {
		t.Errorf("root's own directory of state: %v", err)
	}
	if err := os.Chown(theirs, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Dir(); err == nil {
		t.Error("another user's directory of state is taken")
	}
}
