package codexauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// scriptedBackend is a backend as a RoundTripper, so that it runs in a synctest
// bubble: paths that end in /bad are refused whatever the token, and so are
// tokens that it no longer likes.
type scriptedBackend struct {
	mu      sync.Mutex
	status  int // of what is refused
	revoked map[string]bool
	all     bool // refuse everything
	last    string
}

func (b *scriptedBackend) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = r.Header.Get("Authorization")
	status := http.StatusOK
	if b.all || b.revoked[b.last] || strings.HasSuffix(r.URL.Path, "/bad") {
		status = b.status
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("its own words")), Request: r}, nil
}

// revoke ends the token that was shown last.
func (b *scriptedBackend) revoke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.revoked[b.last] = true
}

func newScriptedBackend() *scriptedBackend {
	return &scriptedBackend{status: 401, revoked: map[string]bool{}}
}

// get asks the backend through m's transport.
func (b *scriptedBackend) get(t *testing.T, m *codexauth.Manager, path string) int {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/backend-api/codex"+path, nil)
	resp, err := m.Transport(b).RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// longLived is a login whose tokens live for ten days, as the service's do.
func longLived(t *testing.T) (*fakeServer, *memory.Store, *codexauth.Manager) {
	s, store := newFake(), memory.New()
	s.life = 240 * time.Hour
	return s, store, onBubbleTime(signIn(t, s, store))
}

// A backend that answers one client 401 for ever: nobody else sees an error or
// waits, however slowly the authorization server answers, and the login is
// rotated once for it, also by several processes.
func TestOneClientsTroubleIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, m := longLived(t)
		other := onBubbleTime(newManager(t, s, store))
		b := newScriptedBackend()
		s.latency = 20 * time.Second
		var all sync.WaitGroup
		end := time.Now().Add(5 * time.Hour)
		for _, m := range []*codexauth.Manager{m, other} {
			mustToken(t, m)
			all.Go(func() {
				for time.Now().Before(end) {
					if got := b.get(t, m, "/bad"); got != 401 {
						t.Errorf("the refused client got %d", got)
					}
					time.Sleep(7 * time.Second)
				}
			})
			for range 3 {
				all.Go(func() {
					for time.Now().Before(end) {
						began := time.Now()
						if got := b.get(t, m, "/responses"); got != 200 {
							t.Errorf("another client got %d", got)
						}
						if waited := time.Since(began); waited != 0 {
							t.Errorf("another client waited for %v", waited)
						}
						time.Sleep(11 * time.Second)
					}
				})
			}
		}
		all.Wait()
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d rotations, %d reuses", n, reuses)
		}
	})
}

// The same while no other token is available.
func TestOneClientsTroubleWhileTheServerIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, m := longLived(t)
		b := newScriptedBackend()
		s.before = func(int) (*http.Response, error) { return s.reply(503, "down"), nil }
		token := mustToken(t, m)
		for range 20 {
			if b.get(t, m, "/bad") != 401 || b.get(t, m, "/responses") != 200 || !mustToken(t, m).AccessToken.Equal(token.AccessToken) {
				t.Fatal("somebody else's token was taken away")
			}
			m.Invalidate(token)
			if !mustToken(t, m).AccessToken.Equal(token.AccessToken) {
				t.Fatal("nothing is served, though the token is valid and there is no other")
			}
			time.Sleep(13 * time.Second)
		}
	})
}

// A backend that refuses everybody: all see its own words, and the login is
// rotated once an hour at most; one that comes back is served at once.
func TestBackendThatRefusesEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, m := longLived(t)
		b := newScriptedBackend()
		b.all = true
		for range 59 * 4 {
			if got := b.get(t, m, "/responses"); got != 401 {
				t.Fatalf("%d", got)
			}
			time.Sleep(15 * time.Second)
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d rotations within an hour", n)
		}
		time.Sleep(time.Hour)
		b.get(t, m, "/responses")
		if n, _ := s.counts(); n != 2 {
			t.Errorf("%d rotations in two hours: it may have been the token after all", n)
		}
		b.all = false
		if got := b.get(t, m, "/responses"); got != 200 {
			t.Errorf("%d", got)
		}
	})
}

// A token that the backend no longer takes is replaced at once, each time that
// replacing it has helped.
func TestTokenEndedAtTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, m := longLived(t)
		b := newScriptedBackend()
		for i := range 4 {
			if got := b.get(t, m, "/responses"); got != 200 {
				t.Fatalf("after %d rotations: %d", i, got)
			}
			b.revoke()
			time.Sleep(40 * time.Second)
		}
		if n, _ := s.counts(); n != 3 {
			t.Errorf("%d rotations", n)
		}
	})
}

// A 403 is about what was asked for, never about the token.
func TestForbiddenCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, m := longLived(t)
		b := newScriptedBackend()
		b.status = 403
		token := mustToken(t, m)
		for range 5 {
			if b.get(t, m, "/bad") != 403 || !mustToken(t, m).AccessToken.Equal(token.AccessToken) {
				t.Fatal("a 403 cost the token")
			}
		}
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d rotations", n)
		}
	})
}

// A 401 after a sign-out elsewhere ends the token here, too: nobody asks with it again.
func TestRefusedTokenOfALoginThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store, m := longLived(t)
		b := newScriptedBackend()
		mustToken(t, m)
		if err := newManager(t, s, store).SignOut(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if b.get(t, m, "/bad") != 401 {
			t.Fatal("no 401")
		}
		if _, err := m.Token(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
			t.Errorf("a token after the sign-out: %v", err)
		}
	})
}

// A token that falls due is refreshed whatever was said of it meanwhile.
func TestRefusedClientDelaysNoRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := onBubbleTime(signIn(t, s, store))
		b := newScriptedBackend()
		b.get(t, m, "/bad")
		for end := time.Now().Add(3 * time.Hour); time.Now().Before(end); time.Sleep(5 * time.Second) {
			if b.get(t, m, "/bad") != 401 || b.get(t, m, "/responses") != 200 {
				t.Fatal("not as it was")
			}
			if left := time.Until(mustToken(t, m).Expiry); left < 4*time.Minute {
				t.Fatalf("the token has %v left", left)
			}
		}
		if n, _ := s.counts(); n > 5 {
			t.Errorf("%d rotations in three hours", n)
		}
	})
}

// Who cancels while a token is refused is told so, and not given that token.
func TestInvalidateAndCancelledCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, m := longLived(t)
		token := mustToken(t, m)
		s.latency = 20 * time.Second
		m.Invalidate(token)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if next := mustToken(t, m); next.AccessToken.Equal(token.AccessToken) {
			t.Error("the refused token")
		}
	})
}
