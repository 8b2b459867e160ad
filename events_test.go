package codexauth_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// told collects what OnEvent is told.
type told struct {
	mu  sync.Mutex
	all []codexauth.Event
}

func (h *told) hear(c *codexauth.Config) {
	c.OnEvent = func(e codexauth.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = append(h.all, e)
	}
}

// refuse makes the server refuse every refresh token.
func refuse(s *fakeServer, code string) {
	s.before = func(int) (*http.Response, error) { return s.refusal(code), nil }
}

// take returns what was told since the last time, once nothing moves any more.
func (h *told) take() []codexauth.Event {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.all
	h.all = nil
	return all
}

func kinds(events []codexauth.Event) string {
	var all []string
	for _, e := range events {
		name := string(e.Kind)
		if e.Recovered {
			name += "!"
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func (h *told) want(t *testing.T, want string) []codexauth.Event {
	t.Helper()
	events := h.take()
	if got := kinds(events); got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	return events
}

// watching returns a Manager that looks at the store all the time, and what it tells.
func watching(t *testing.T, s *fakeServer, store codexauth.Store) (*codexauth.Manager, *told) {
	t.Helper()
	var h told
	m := newManager(t, s, store, h.hear)
	go func() {
		if err := m.Watch(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}()
	synctest.Wait()
	return m, &h
}

// What one Manager does, another one that watches tells within two seconds, once,
// and as somebody else's doing.
func TestEventsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m, h := watching(t, s, store)
		other := signIn(t, s, store)
		look := func() { time.Sleep(2 * time.Second) }
		look()
		h.want(t, "") // there was no login at first, and what is there at first is no news
		if _, err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		look()
		if e := h.want(t, "refreshed"); len(e) == 1 && (e[0].Here || e[0].Seq != 2 || e[0].AccountID != "acc-1" || e[0].Expiry.IsZero()) {
			t.Errorf("%+v", e[0])
		}
		mustToken(t, m) // what the watcher adopts itself is no news
		refuse(s, "refresh_token_reused")
		for range 3 {
			_, err := other.Refresh(t.Context())
			wantErr(t, err, codexauth.ErrRefused)
		}
		look()
		e := h.want(t, "refused")
		if len(e) == 1 {
			var refused *codexauth.RefusedError
			if !errors.As(e[0].Err, &refused) || refused.Refusal.Code != "refresh_token_reused" {
				t.Errorf("%v", e[0].Err)
			}
		}
		for range 10 {
			look()
		}
		h.want(t, "")
		s.before = nil
		signIn(t, s, store)
		look()
		h.want(t, "signed_in!")
		if err := other.SignOut(t.Context(), codexauth.SignOutOptions{}); err != nil {
			t.Fatal(err)
		}
		look()
		h.want(t, "signed_out")
		signIn(t, s, store)
		look()
		h.want(t, "signed_in")
	})
}

// A failure that passes is told once for each attempt that others wait for, with the time
// of the next one; the refresh that ends it is told as such.
func TestEventsOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		var h told
		m := newManager(t, s, store, h.hear)
		s.before = s.badGateway(1)
		_, err := m.Refresh(t.Context())
		wantErr(t, err, codexauth.ErrUnknownOutcome)
		if e := h.want(t, "unknown_outcome"); len(e) == 1 && (!e[0].Until.After(time.Now()) || !e[0].Here) {
			t.Errorf("%+v", e[0])
		}
		time.Sleep(time.Minute)
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.want(t, "refreshed!")
		s.before = func(int) (*http.Response, error) { return s.reply(http.StatusTooManyRequests, "{}"), nil }
		_, err = m.Refresh(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		h.want(t, "backing_off")
	})
}

// switched is a server that nobody reaches while it is off.
type switched struct {
	http.RoundTripper
	off bool
}

func (s *switched) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.off {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	return s.RoundTripper.RoundTrip(r)
}

// A server that nobody reaches leaves nothing in the record; it is told once.
func TestEventsOfAnUnreachableServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		var h told
		there := &switched{RoundTripper: s}
		m := newManager(t, s, store, h.hear, func(c *codexauth.Config) { c.HTTPClient = &http.Client{Transport: there} })
		there.off = true
		for range 3 {
			if _, err := m.Refresh(t.Context()); err == nil {
				t.Fatal("refreshed")
			}
			time.Sleep(time.Minute)
		}
		h.want(t, "backing_off")
		there.off = false
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.want(t, "refreshed!")
	})
}

// awayStore fails while it is away.
type awayStore struct {
	*memory.Store
	mu       sync.Mutex
	read     error
	hang     bool
	noRecord bool
}

func (s *awayStore) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *awayStore) Load(ctx context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	err, hang, none := s.read, s.hang, s.noRecord
	s.mu.Unlock()
	switch {
	case hang:
		<-ctx.Done()
		return nil, ctx.Err()
	case none:
		return nil, codexauth.ErrNotFound
	case err != nil:
		return nil, err
	}
	return s.Store.Load(ctx, key)
}

// A store that fails, hangs or has lost its record is away, once, and back, once.
func TestEventsOfAStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), &awayStore{Store: memory.New()}
		signIn(t, s, store)
		_, h := watching(t, s, store)
		h.want(t, "")
		broken := errors.New("input/output error")
		for _, away := range []func(){
			func() { store.read = broken }, func() { store.hang = true }, func() { store.noRecord = true },
		} {
			store.set(away)
			time.Sleep(30 * time.Second)
			if e := h.want(t, "store_away"); len(e) == 1 && e[0].Err == nil {
				t.Error("nobody knows why")
			}
			store.set(func() { store.read, store.hang, store.noRecord = nil, false, false })
			time.Sleep(20 * time.Second)
			h.want(t, "store_back")
		}
	})
}

// A store that can be read and takes nothing is away until it takes something.
func TestEventsOfAStoreThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, mem := newFake(), memory.New()
		signIn(t, s, mem)
		full := true
		store := &brokenStore{Store: mem, commit: func(_ context.Context, _ []byte, commit func() error) error {
			if full {
				return errors.New("no space left on device")
			}
			return commit()
		}}
		m, h := watching(t, s, store)
		for range 3 {
			if _, err := m.Refresh(t.Context()); err == nil {
				t.Fatal("refreshed")
			}
			time.Sleep(5 * time.Second)
		}
		h.want(t, "store_away")
		full = false
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.want(t, "store_back refreshed")
	})
}

// What is bad when a Manager looks for the first time is told, too.
func TestEventsOfTheFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		refuse(s, "refresh_token_reused")
		_, err := m.Refresh(t.Context())
		wantErr(t, err, codexauth.ErrRefused)
		_, h := watching(t, s, store)
		h.want(t, "refused")
	})
}

// An OnEvent that blocks holds up neither a token nor a rotation; it gets the
// events in order, and Close waits for it.
func TestEventsHoldUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		gate := make(chan struct{})
		var seqs []uint64
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.OnEvent = func(e codexauth.Event) { <-gate; seqs = append(seqs, e.Seq) }
		})
		for range 5 {
			if _, err := m.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustToken(t, m)
		}
		time.AfterFunc(time.Second, func() { close(gate) })
		m.Close()
		if want := []uint64{2, 3, 4, 5, 6}; !slices.Equal(seqs, want) {
			t.Errorf("told of %v, want %v", seqs, want)
		}
	})
}

// OnEvent may use the Manager.
func TestEventsMayAskTheManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		var m *codexauth.Manager
		states := make(chan codexauth.State, 1)
		m = newManager(t, s, store, func(c *codexauth.Config) {
			c.OnEvent = func(codexauth.Event) {
				status, err := m.Status(t.Context())
				if err != nil {
					t.Error(err)
				}
				states <- status.State
			}
		})
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if state := <-states; state != codexauth.StateValid {
			t.Error(state)
		}
	})
}

// No event shows a token, however it is printed.
func TestEventsHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		var h told
		m := newManager(t, s, store, h.hear)
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		refuse(s, "invalid_grant")
		_, _ = m.Refresh(t.Context())
		c := stored(t, store).Credential
		for _, e := range h.want(t, "refreshed refused") {
			for _, secret := range []string{c.AccessToken, c.RefreshToken} {
				if text := fmt.Sprintf("%+v %#v %v", e, e, e.Err); strings.Contains(text, secret) {
					t.Errorf("%s shows a token", e.Kind)
				}
			}
		}
	})
}
