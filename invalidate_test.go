package codexauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

func TestInvalidateRefreshesOnceAndOnlyTheRefusedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		first := mustToken(t, m)
		m.Invalidate(first)
		second := mustToken(t, m)
		if second.AccessToken.Equal(first.AccessToken) {
			t.Fatal("the refused token was served again")
		}
		m.Invalidate(first) // late news about the old token
		if third := mustToken(t, m); !third.AccessToken.Equal(second.AccessToken) {
			t.Error("a newer token was thrown away")
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
		for range 20 { // over ten minutes
			m.Invalidate(second)
			if third := mustToken(t, m); !third.AccessToken.Equal(second.AccessToken) {
				t.Fatal("a third token for what no second one helped")
			}
			time.Sleep(31 * time.Second)
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("a backend that refuses everything cost %d requests", n)
		}
	})
}

func TestInvalidateAdoptsWhatAnotherProcessHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		a := signIn(t, s, store)
		b := newManager(t, s, store)
		old := mustToken(t, b)
		if _, err := a.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Invalidate(old)
		if token := mustToken(t, b); !token.AccessToken.Equal(mustToken(t, a).AccessToken) {
			t.Error("the stored token was not adopted")
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// A 401 to an older token says nothing against the one at hand.
func TestInvalidateOfAnOlderToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m := signIn(t, s, memory.New())
		older := mustToken(t, m)
		newer, err := m.Refresh(t.Context())
		must(t, err)
		m.Invalidate(older)
		if token := mustToken(t, m); !token.AccessToken.Equal(newer.AccessToken) {
			t.Error("the newer token was given up")
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// A program that gives a token up again and again costs one rotation within the hour.
func TestInvalidateAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, m := longLived(t)
		for range 50 {
			m.Invalidate(mustToken(t, m))
			mustToken(t, m)
			time.Sleep(time.Minute)
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d rotations", n)
		}
	})
}

// Who is asked to rotate for a 401 right after another was says no: it may be a
// child, which has not looked at what the backend said.
func TestRotateForA401IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, _ := longLived(t)
		rotate := func() error {
			sum := sha256.Sum256([]byte(stored(t, store).Credential.AccessToken))
			return codexauth.Rotate(t.Context(), newManager(t, s, store), codexauth.Need{Not: base64.RawURLEncoding.EncodeToString(sum[:])})
		}
		must(t, rotate())
		wantErr(t, rotate(), codexauth.ErrTransient)
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d rotations", n)
		}
	})
}
