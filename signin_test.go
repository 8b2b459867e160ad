package codexauth_test

import (
	"context"
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
