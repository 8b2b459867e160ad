package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"

	"codexauth"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/aether"
	"codexauth/sandbox"
)

// A login goes to another tool's file and comes back, and is never in two places.
func TestAetherFile(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	file := cheapCredentials(t, "a passphrase for a test")
	b.env = append(b.env, "AETHER_CREDENTIALS_PASSWORD=a passphrase for a test")
	holds := func() bool {
		f, err := aether.Read(file, []byte("a passphrase for a test"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.Get(aether.Key)
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
	run(verdict.Done, "export", "--reference", file)
	if holds() {
		t.Error("a refresh token was written without --hand-over")
	}
	run(verdict.Failed, "export", "--reference", "--hand-over", file)
	run(verdict.Done, "export", "--reference", "--hand-over", "--force", file)
	if !holds() {
		t.Error("the refresh token was not handed over")
	}
	run(verdict.SignedOut, "token")
	run(verdict.Done, "import", "--reference", file)
	if holds() {
		t.Error("the login is in two places")
	}
	run(verdict.Done, "refresh")
	run(verdict.Failed, "import", "--reference", file)
	run(verdict.Usage, "import", "--reference", file, "-")
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if n := b.server.Counters().Reuses; n != 0 {
		t.Errorf("%d reuses", n)
	}
}

// cheapCredentials is an empty credentials file with a low work factor, which is
// kept: age's own would cost a second each time.
func cheapCredentials(t *testing.T, passphrase string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.enc")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(4)
	w, err := age.Encrypt(f, recipient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(`{"credentials":{}}`)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
