package codexauth_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// An answer that waited for a machine that slept tells nothing about the clock,
// and if its token has ended meanwhile, another is asked for at once.
func TestAnswerReadMuchLater(t *testing.T) {
	for _, late := range []time.Duration{10 * time.Minute, 2 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			store := expired(t, s)
			s.after = func(n int, granted map[string]any) (*http.Response, error) {
				answer := s.json(200, granted) // dated before the sleep
				if n == 1 {
					time.Sleep(late)
				}
				return answer, nil
			}
			m := newManager(t, s, store, func(c *codexauth.Config) { c.RequestTimeout = 3 * time.Hour })
			token := mustToken(t, m)
			if !token.Expiry.After(time.Now()) {
				t.Errorf("late by %v: a token that ended %v ago", late, time.Since(token.Expiry))
			}
			if rec := stored(t, store); len(rec.Skew) != 0 {
				t.Errorf("late by %v: it takes its clock for wrong: %v", late, rec.Skew)
			}
			if n, reuses := s.counts(); n != 1+int(late/time.Hour)/2 || reuses != 0 {
				t.Errorf("late by %v: %d requests, %d reuses", late, n, reuses)
			}
		})
	}
}

func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{time.Hour, -time.Hour, 30 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s, store := newFake(), memory.New()
			s.skew = skew
			m := signIn(t, s, store)
			first := mustToken(t, m)
			time.Sleep(50 * time.Minute) // valid by the issuer's clock
			if token := mustToken(t, newManager(t, s, store)); !token.AccessToken.Equal(first.AccessToken) {
				t.Errorf("skew %v: refreshed too early", skew)
			}
			time.Sleep(15 * time.Minute)
			if token := mustToken(t, newManager(t, s, store)); token.AccessToken.Equal(first.AccessToken) {
				t.Errorf("skew %v: an expired token was served", skew)
			}
			if n, _ := s.counts(); n != 1 {
				t.Errorf("skew %v: %d requests", skew, n)
			}
		})
	}
}

// A record from the future means that the clock was set back: one refresh learns
// the issuer's clock, and that is all.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		s.skew = time.Hour // the issuer is right, we are an hour behind
		edit(t, store, func(r *codexauth.Record) {
			r.Credential.LastRefresh = time.Now().Add(time.Hour)
			r.Credential.Expiry = time.Now().Add(2 * time.Hour)
		})
		for range 5 {
			m := newManager(t, s, store)
			if _, err := m.FreshToken(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			m.Close()
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
