package codexauth_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

func TestRefusalIsRememberedAndNeverAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		before := stored(t, store)
		s.dead = true
		time.Sleep(2 * time.Hour)
		for range 5 {
			_, err := newManager(t, s, store).Token(t.Context())
			wantRefusal(t, err, "refresh_token_reused")
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests for a dead token", n)
		}
		after := stored(t, store)
		if after.Credential.RefreshToken != before.Credential.RefreshToken || after.Login != before.Login {
			t.Error("a refusal changed the credential")
		}
		status, err := newManager(t, s, store).Status(t.Context())
		if err != nil || status.State != codexauth.StateRefused || status.LastRefusal.Code != "refresh_token_reused" {
			t.Errorf("status %v, %v", status, err)
		}
		// A person may insist once.
		if _, err := newManager(t, s, store).Refresh(t.Context()); !errors.Is(err, codexauth.ErrRefused) {
			t.Errorf("Refresh: %v", err)
		}
		if n, _ := s.counts(); n != 2 {
			t.Errorf("%d requests after an explicit refresh", n)
		}
		// And a new sign-in ends it.
		mustToken(t, signIn(t, s, store))
	})
}

func TestTransientFailuresBackOffAcrossProcesses(t *testing.T) {
	for _, status := range []int{500, 503, 429} {
		synctest.Test(t, func(t *testing.T) {
			s, store := newFake(), memory.New()
			m := signIn(t, s, store)
			s.before = func(int) (*http.Response, error) { return s.json(status, map[string]any{"error": "busy"}), nil }
			time.Sleep(2 * time.Hour)
			began := time.Now()
			for time.Since(began) < time.Minute {
				_, err := newManager(t, s, store).Token(t.Context())
				wantErr(t, err, codexauth.ErrTransient)
				time.Sleep(time.Second)
			}
			if n, _ := s.counts(); n < 2 || n > 3 {
				t.Errorf("status %d: %d requests in the first minute", status, n)
			}
			s.before = nil
			time.Sleep(10 * time.Minute)
			mustToken(t, m)
			if _, reuses := s.counts(); reuses != 0 {
				t.Errorf("%d reuses", reuses)
			}
		})
	}
}

// Who waited for the claim while the server failed must not ask it at once.
func TestBackOffHoldsForThoseWhoWaitedForTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.latency = 5 * time.Second
		s.before = func(int) (*http.Response, error) { return s.reply(503, "<html>"), nil }
		var all sync.WaitGroup
		for range 4 {
			m := newManager(t, s, store)
			all.Go(func() {
				_, err := m.Token(t.Context())
				wantErr(t, err, codexauth.ErrTransient)
			})
		}
		all.Wait()
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestShortBackOffIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		s.before = func(n int) (*http.Response, error) {
			if n == 1 {
				return s.reply(503, "<html>"), nil
			}
			return nil, nil
		}
		time.Sleep(2 * time.Hour)
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient, codexauth.ErrUnknownOutcome)
		mustToken(t, newManager(t, s, store)) // a person who tries again just waits some seconds
		if n, _ := s.counts(); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		s.before = func(n int) (*http.Response, error) {
			if n > 1 {
				return nil, nil
			}
			resp := s.json(429, map[string]any{"error": "slow down"})
			resp.Header.Set("Retry-After", "600")
			return resp, nil
		}
		time.Sleep(2 * time.Hour)
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrRateLimited)
		time.Sleep(300 * time.Second)
		_, err = newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrRateLimited)
		_, err = m.Refresh(t.Context()) // not even a person is let through
		wantErr(t, err, codexauth.ErrRateLimited)
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(295 * time.Second)
		mustToken(t, m)
	})
}

func TestOldTokenIsServedWhileRefreshesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		first := mustToken(t, m)
		s.before = func(int) (*http.Response, error) { return nil, errors.New("connection reset") }
		time.Sleep(58 * time.Minute)
		for range 50 {
			if token := mustToken(t, m); !token.AccessToken.Equal(first.AccessToken) {
				t.Fatal("another token from nowhere")
			}
			time.Sleep(time.Second)
		}
	})
}

func TestServerThatNamesAShortTimeIsNotAskedMoreOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.before = func(int) (*http.Response, error) {
			resp := s.json(429, map[string]any{"error": "slow down"})
			resp.Header.Set("Retry-After", "2")
			return resp, nil
		}
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(time.Second) {
			_, err := newManager(t, s, store).Token(t.Context())
			wantErr(t, err, codexauth.ErrRateLimited)
		}
		if n, _ := s.counts(); n != 3 {
			t.Errorf("%d requests in the first minute", n)
		}
	})
}
