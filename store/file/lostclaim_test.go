package file

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"codexauth"
	"codexauth/internal/lostclaim"
)

// TestOverwrites: a holder whose lock file somebody removed replaces only what it
// may.
func TestOverwrites(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open can't be removed there")
	}
	dir := t.TempDir()
	lostclaim.Run(t, func(t *testing.T, name string) codexauth.Store { return open(t, filepath.Join(dir, name)) },
		func(t *testing.T, c codexauth.Claim) {
			own := c.(*claim)
			if err := os.Remove(own.store.lockPath(own.name)); err != nil {
				t.Fatal(err)
			}
		})
}
