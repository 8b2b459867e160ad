package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/seal"
)

// A login goes to another tool's file and comes back, and is never in two places.
func TestReferenceFile(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	file := filepath.Join(t.TempDir(), "credentials.enc")
	b.env = append(b.env, referencePassword+"=a passphrase for a test")
	holds := func() bool {
		f, err := seal.ReadReference(file, []byte("a passphrase for a test"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Get(seal.ReferenceKey)
		if err != nil && !errors.Is(err, codexauth.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil && !r.RefreshToken.IsZero()
	}
	run := func(want int, args ...string) {
		t.Helper()
		if r := b.run(t, args...); r.code != want {
			t.Fatalf("%s: exit %d, want %d: %s", strings.Join(args, " "), r.code, want, r.stderr)
		}
	}
	run(exitDone, "export", "--reference", file)
	if holds() {
		t.Error("a refresh token was written without --hand-over")
	}
	run(exitFailed, "export", "--reference", "--hand-over", file)
	run(exitDone, "export", "--reference", "--hand-over", "--force", file)
	if !holds() {
		t.Error("the refresh token was not handed over")
	}
	run(exitSignedOut, "token")
	run(exitDone, "import", "--reference", file)
	if holds() {
		t.Error("the login is in two places")
	}
	run(exitDone, "refresh")
	run(exitFailed, "import", "--reference", file)
	run(exitUsage, "import", "--reference", file, "-")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if n := b.server.Counters().Reuses; n != 0 {
		t.Errorf("%d reuses", n)
	}
}
