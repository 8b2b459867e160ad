package main

import (
	"errors"
	"testing"

	"codexauth/open"
	"codexauth/open/keyring"
)

// A login that was moved into the keyring, which the settings remember, is found there
// by a program that has no variable of the shell's.
func TestOpenFindsTheLoginInTheKeyring(t *testing.T) {
	b := unlocked(t)
	b.signIn(t)
	b.fine(t, "config", "set", "store", "keyring:")
	b.env = append(b.env, "CODEXAUTH_STORE=")
	b.asProgram(t)
	if _, err := open.Manager(t.Context()); !errors.Is(err, open.ErrNotLinked) {
		t.Errorf("without the kind: %v", err)
	}
	wantSame(t, b.box, keyring.Kind())
}
