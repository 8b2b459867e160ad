package codexauth_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
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
