package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"codexauth"
	"codexauth/internal/private"
	"codexauth/internal/private/privatetest"
)

// TestOpenToEverybody: a store whose access list lets everybody in is refused.
func TestOpenToEverybody(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := private.Mkdir(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err != nil {
		t.Fatalf("a private one: %v", err)
	}
	if err := privatetest.SetList(dir, privatetest.Everybody); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, codexauth.ErrStoreUnsafe) {
		t.Errorf("one that everybody may change: %v", err)
	}
}

// TestAccessDenied: the error can mean either of two things, and the hint names both.
func TestAccessDenied(t *testing.T) {
	err := explain(&os.PathError{Op: "open", Path: "x", Err: windows.ERROR_ACCESS_DENIED})
	for _, cause := range []string{"this user may not", "another program has it open"} {
		if !strings.Contains(err.Error(), cause) {
			t.Errorf("%q is missing in %q", cause, err)
		}
	}
}
