package codexauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/reason"
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
			if !errors.As(e[0].Err, &refused) || refused.Code != "refresh_token_reused" {
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
		if err := other.SignOut(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		look()
		h.want(t, "signed_out")
		signIn(t, s, store)
		look()
		h.want(t, "signed_in")
	})
}

// A login that goes to another profile is not told as one that ended; and when it comes
// back, that and its next refresh are told, though its record is no newer than the mark
// that it left.
func TestEventsOfAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		m, h := watching(t, s, store)
		look := func() {
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		mustToken(t, m)
		h.take()
		for range 2 {
			if err := renamed(t, store, codexauth.DefaultKey, "away", false); err != nil {
				t.Fatal(err)
			}
			look()
			for _, e := range h.want(t, "signed_out") {
				if key, _, moved := reason.MovedTo(e.Err); !moved || key != "away" {
					t.Errorf("a move is told as a sign-out: %+v", e)
				}
			}
			if err := renamed(t, store, "away", codexauth.DefaultKey, false); err != nil {
				t.Fatal(err)
			}
			look()
			h.want(t, "signed_in")
			if _, err := newManager(t, s, store).Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			look()
			h.want(t, "refreshed")
		}
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
			t.Errorf("told about %v, want %v", seqs, want)
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
