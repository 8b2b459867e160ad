package codexauth_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

// ask is one process that wants a token.
func ask(t *testing.T, s *fakeServer, store codexauth.Store) error {
	t.Helper()
	m := newManager(t, s, store)
	defer m.Close()
	_, err := m.Token(t.Context())
	return err
}

// A 401 that is no verdict is somebody's in between: it never ends a login.
func TestOnlyAVerdictCondemns(t *testing.T) {
	for _, body := range []string{
		`{"message":"Unauthorized"}`, `{"detail":"no"}`, `{"error":"invalid_client"}`, `{"error":"temporarily_unavailable"}`,
		`{"error":"ip_blocked"}`, `{}`, `<html>`,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			store := expired(t, s)
			s.before = func(int) (*http.Response, error) { return s.reply(401, body), nil }
			for range 8 {
				if err := ask(t, s, store); !errors.Is(err, codexauth.ErrTransient) || errors.Is(err, codexauth.ErrRefused) {
					t.Fatalf("%s: %v", body, err)
				}
				time.Sleep(6 * time.Minute)
			}
			if n, _ := s.counts(); n != 8 {
				t.Errorf("%s: %d requests", body, n)
			}
			s.before = nil
			if err := ask(t, s, store); err != nil {
				t.Errorf("%s: the login is lost: %v", body, err)
			}
		})
	}
}

// A code that nobody knows condemns if it comes three times over ten minutes,
// whichever processes asked; another answer in between begins again.
func TestUnknownCodeCondemnsWhenItComesAgainAndAgain(t *testing.T) {
	unknown := func(s *fakeServer) func(int) (*http.Response, error) {
		return func(int) (*http.Response, error) { return s.json(401, map[string]any{"error": "nobody_knows_it"}), nil }
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.before = unknown(s)
		for i, wait := range []time.Duration{time.Minute, 4 * time.Minute, 4 * time.Minute, 4 * time.Minute} {
			if err := ask(t, s, store); !errors.Is(err, codexauth.ErrTransient) {
				t.Fatalf("attempt %d: %v", i+1, err)
			}
			time.Sleep(wait)
		}
		err := ask(t, s, store)
		var refused *codexauth.RefusedError
		if !errors.As(err, &refused) || refused.Code != "nobody_knows_it" {
			t.Fatalf("after ten minutes: %v", err)
		}
		n, _ := s.counts()
		if err := ask(t, s, store); !errors.Is(err, codexauth.ErrRefused) {
			t.Errorf("not remembered: %v", err)
		}
		if again, _ := s.counts(); again != n {
			t.Error("asked again")
		}
	})
	synctest.Test(t, func(t *testing.T) { // twice over a long time is not enough
		s := newFake()
		store := expired(t, s)
		s.before = unknown(s)
		for range 2 {
			if err := ask(t, s, store); !errors.Is(err, codexauth.ErrTransient) {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		s.before = s.badGateway(3)
		if err := ask(t, s, store); !errors.Is(err, codexauth.ErrUnknownOutcome) {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		s.before = unknown(s)
		if err := ask(t, s, store); !errors.Is(err, codexauth.ErrTransient) {
			t.Errorf("what came in between did not count: %v", err)
		}
	})
}

// What was shown as a refusal of the request is not remembered as one of the token.
func TestRefusedRequestIsNotRemembered(t *testing.T) {
	for _, status := range []int{400, 403} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			store := expired(t, s)
			s.before = func(n int) (*http.Response, error) {
				if n == 1 {
					return s.json(status, map[string]any{"error": "the_account_may_not"}), nil
				}
				return nil, nil
			}
			wantErr(t, ask(t, s, store), codexauth.ErrRequest)
			time.Sleep(time.Minute)
			if err := ask(t, s, store); err != nil {
				t.Errorf("%d: %v", status, err)
			}
		})
	}
}
