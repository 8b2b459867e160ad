package codexauth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"codexauth"
	"codexauth/store/memory"
)

// A login is revoked only once its tombstone is durable: if that fails it lives.
func TestNothingIsRevokedBeforeTheTombstone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: memory.New()}
		m := signIn(t, s, store.Store)
		full := errors.New("no space left on device")
		store.commit = func(context.Context, []byte, func() error) error { return full }
		wantErr(t, newManager(t, s, store).SignOut(t.Context(), false), full)
		if len(s.revoked) != 0 {
			t.Errorf("revoked %v", s.revoked)
		}
		mustToken(t, m)
	})
}

// A sign-out that the store does not take is told as one: there is no new credential
// that would wait to be put back, and nothing is revoked.
func TestSignOutThatCannotBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		full := errors.New("no space left")
		store := &brokenStore{Store: memory.New()}
		signIn(t, s, store.Store)
		store.commit = func(context.Context, []byte, func() error) error { return full }
		m := newManager(t, s, store)
		err := m.SignOut(t.Context(), false)
		if !errors.Is(err, full) || errors.Is(err, codexauth.ErrNotSaved) || !strings.Contains(err.Error(), "it stays as it is") {
			t.Errorf("SignOut: %v", err)
		}
		if status, err := m.Status(t.Context()); err != nil || status.State != codexauth.StateValid || len(s.revoked) != 0 {
			t.Errorf("afterwards %v, %v, revoked %v", status.State, err, s.revoked)
		}
	})
}

// A tombstone whose commit failed may have landed: the login is revoked all the same.
func TestSignOutThatFailedButLandedCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: memory.New()}
		signIn(t, s, store.Store)
		store.commit = func(_ context.Context, _ []byte, commit func() error) error {
			return errors.Join(commit(), errors.New("the connection broke after the commit"))
		}
		must(t, newManager(t, s, store).SignOut(t.Context(), false))
		if len(s.revoked) != 1 {
			t.Errorf("revoked %v", s.revoked)
		}
	})
}
