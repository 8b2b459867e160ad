package codexauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// Once the code is on its way a person who goes away loses nothing.
func TestSignInOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		s.latency = 3 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := newManager(t, s, store)
		if _, err := m.SignIn(ctx, codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{}); err != nil {
			t.Fatal(err)
		}
		if rec := stored(t, store); rec.Credential.RefreshToken != s.current {
			t.Error("another login is stored")
		}
	})
}

// A login that could not be saved is not left behind at the server.
func TestSignInThatCannotBeSavedIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := newDeaf()
		store.left = 1 // after the sign-in was announced
		nowhere := func(c *codexauth.Config) { c.RescueDir = "/dev/null/nowhere/rescue" }
		m := newManager(t, s, store, nowhere)
		_, err := m.SignIn(t.Context(), codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{})
		if !errors.Is(err, codexauth.ErrNotSaved) || !errors.Is(err, errAway) {
			t.Errorf("the error is %v", err)
		}
		if len(s.revoked) != 1 || s.revoked[0] != s.current {
			t.Errorf("%d tokens were revoked, want the one that came", len(s.revoked))
		}
	})
}

// A status says when the person signed in, whatever was refreshed since; of an import
// nobody knows.
func TestStatusTellsTheSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		began := time.Now()
		time.Sleep(3 * time.Hour)
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if status, err := m.Status(t.Context()); err != nil || !status.SignedIn.Equal(began) || !status.DueAt.After(time.Now()) {
			t.Errorf("%+v, %v, want a sign-in at %v", status, err, began)
		}
	})
}

// A code can be redeemed once: there is no trying it.
func TestSignInHasNoDryRun(t *testing.T) {
	s := newFake()
	_, err := newManager(t, s, memory.New()).SignIn(t.Context(), someGrant, codexauth.SignInOptions{DryRun: true})
	if !errors.Is(err, errors.ErrUnsupported) || s.exchange != 0 {
		t.Errorf("%v, after %d redeemed codes", err, s.exchange)
	}
}
