package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/place"
	"codexauth/open"
	"codexauth/open/age"
	"codexauth/sandbox"
)

// asProgram gives this process the environment of the box's shell, but for the
// variables that are named.
func (b *box) asProgram(t *testing.T, without ...string) {
	t.Helper()
	for _, name := range []string{"CODEXAUTH_HOME", "CODEXAUTH_CONFIG", "CODEXAUTH_STORE", "CODEXAUTH_PROFILE", "CODEXAUTH_IDENTITY_FILE", "CODEXAUTH_CA_FILE", "CODEXAUTH_CLIENT_ID", "XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		t.Setenv(name, "")
	}
	for _, entry := range b.env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	for _, name := range without {
		t.Setenv(name, "")
	}
}

// wantSame wants a program to have the token that the command line has.
func wantSame(t *testing.T, b *box, kinds ...open.Kind) {
	t.Helper()
	m, err := open.Manager(t.Context(), kinds...)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	token, err := m.Token(t.Context())
	if err != nil || token.AccessToken.Reveal() != wantToken(t, b.run(t, "token")) {
		t.Errorf("the program has another token than the command line: %v", err)
	}
}

// A Go program finds the login wherever the command line has moved it to, and says what
// it does not link.
func TestOpenFindsTheLogin(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.asProgram(t)
	if _, err := open.Manager(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) || !strings.Contains(err.Error(), "codexauth login") {
		t.Errorf("nobody is signed in: %v", err)
	}
	b.signIn(t, "default")
	wantSame(t, b)

	key := filepath.Join(t.TempDir(), "key")
	elsewhere := "file:" + filepath.Join(t.TempDir(), "elsewhere")
	for _, args := range [][]string{
		{"store", "keygen", key}, {"--identity-file", key, "store", "copy", "file:", elsewhere},
		{"config", "set", "store", elsewhere}, {"config", "set", "identity-file", key},
	} {
		if r := b.run(t, args...); r.code != verdict.Done {
			t.Fatalf("%q: %s", args, r.stderr)
		}
	}
	if _, err := open.Manager(t.Context()); !errors.Is(err, open.ErrNotLinked) || !strings.Contains(err.Error(), "age.Kind() of codexauth/open/age") {
		t.Errorf("a sealed store: %v", err)
	}
	wantSame(t, b, age.Kind())

	b.signIn(t, "work") // in the directory of before, and not sealed
	for _, args := range [][]string{
		{"--profile", "work", "config", "set", "store", "file:" + b.home}, {"--profile", "work", "config", "set", "identity-file", "plain"}, {"config", "set", "profile", "work"},
	} {
		if r := b.run(t, args...); r.code != verdict.Done {
			t.Fatalf("%q: %s", args, r.stderr)
		}
	}
	wantSame(t, b)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.asProgram(t)
	for at, want := range map[string]string{
		"keyring:":               "keyring.Kind() of codexauth/open/keyring",
		"postgres://db/x":        "postgres.Kind() of codexauth/open/postgres",
		"etcds://etcd:2379/x":    "etcd.Kind() of codexauth/open/etcd",
		"floppy:a":               "CODEXAUTH_STORE names an unknown kind of store",
		"broker+unix:/nowhere/x": filepath.FromSlash("/nowhere/x"),
	} {
		t.Setenv("CODEXAUTH_STORE", at)
		_, err := open.Manager(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, place.ErrNotLinked) != strings.Contains(want, "Kind()") {
			t.Errorf("%s: %v", at, err)
		}
	}
	t.Setenv("CODEXAUTH_STORE", "")
	torn := filepath.Join(b.home, "config.toml")
	if err := os.MkdirAll(b.home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, []byte("store = \"fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Manager(t.Context()); err == nil || !strings.Contains(err.Error(), torn) {
		t.Errorf("torn settings: %v", err)
	}
}

// A broker needs no kind.
func TestOpenAtABroker(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	_, socket, _ := newServed(t, b)
	c := b.client(t, socket)
	c.asProgram(t)
	wantSame(t, c)
}
