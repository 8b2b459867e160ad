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

func TestMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, from, to := newFake(), memory.New(), memory.New()
		token := mustToken(t, signIn(t, s, from))
		move := func(a, b codexauth.Store, replace bool) error {
			return codexauth.Place{Store: a}.MoveTo(t.Context(), codexauth.Place{Store: b, Sealer: toySealer{1}}, replace)
		}
		// Cut off between the two commits: both hold it, and again completes it.
		cut := &brokenStore{Store: from, commit: func(context.Context, []byte, func() error) error { return errors.New("cut off") }}
		if err := move(cut, to, false); err == nil || !strings.Contains(err.Error(), "run this again") {
			t.Fatalf("error %v", err)
		}
		if err := move(from, to, false); err != nil {
			t.Fatal(err)
		}
		_, err := newManager(t, s, from).Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		if data, _ := from.Load(t.Context(), codexauth.DefaultKey); strings.Contains(string(data), "rt-") {
			t.Error("the old place still holds a token")
		}
		there := newManager(t, s, to, func(c *codexauth.Config) { c.Sealer = toySealer{1} })
		if got := mustToken(t, there); !got.AccessToken.Equal(token.AccessToken) {
			t.Error("another login arrived")
		}
		if _, err := there.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		// Another login is not replaced unless that is meant.
		other := memory.New()
		signIn(t, s, other)
		wantErr(t, move(other, to, false), codexauth.ErrSignedIn)
		if err := move(other, to, true); err != nil {
			t.Error(err)
		}
		wantErr(t, move(from, to, false), codexauth.ErrSignedOut)
	})
}
