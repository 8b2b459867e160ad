//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// A server starts without a login, says so once with the remedy, and serves as soon as
// somebody signs in elsewhere.
func TestServeStartsSignedOut(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	s := b.serve(t)
	status, text := s.ask(t, "GET", "/readyz", "")
	if status != 503 || !strings.Contains(text, `"signed_out"`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := s.ask(t, "GET", "/v1/models", ""); status != 503 || !strings.Contains(text, "codexauth login") {
		t.Errorf("%d %s", status, text)
	}
	b.signIn(t, "default")
	becomes(t, "signed in", 200, func() int { status, _ := s.ask(t, "GET", "/v1/models", ""); return status })
	becomes(t, "ready", 200, func() int { status, _ := s.ask(t, "GET", "/readyz", ""); return status })
	s.stop(t)
	if said := s.stderr.String(); strings.Count(said, "no token yet") != 1 || !strings.Contains(said, "hint: run `codexauth login`") {
		t.Errorf("it says %s", said)
	}
}

// What only other flags or another key fix ends it.
func TestServeRefusesAStoreThatItCannotUse(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	if err := os.WriteFile(filepath.Join(b.home, "record-default"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, b.run(t, "serve"), verdict.Failed, "damaged")
}

// With its store away a server starts, too, also where its keys are in it, and goes on
// when it is back.
func TestServeStartsWithItsStoreAway(t *testing.T) {
	b := newShared(t, sandbox.Config{})
	shortHome(t, b)
	b.expire(t)
	key := strings.TrimSpace(b.run(t, "serve", "key", "add", "ci", "--keys", "store").stdout)
	if key == "" {
		t.Fatal("no key")
	}
	gate := newGate(t, b)
	gate.shut()
	s := b.serve(t, "--keys", "store", "--listen", "127.0.0.1:0")
	for path, want := range map[string]int{"/v1/models": 503, "/readyz": 503, "/healthz": 200} {
		if status, text := s.ask(t, "GET", path, key); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	gate.open()
	becomes(t, "the store is back", 200, func() int { status, _ := s.ask(t, "GET", "/v1/models", key); return status })
	becomes(t, "ready", 200, func() int { status, _ := s.ask(t, "GET", "/readyz", ""); return status })
	s.stop(t)
}
