package codexauth_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// Of all who learn of an event one is to tell people of it: once for a refusal, once
// for failures however often they come, once for their end.
func TestOneAnnouncesAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		var mu sync.Mutex
		announced := map[string]int{}
		const processes = 34
		for range processes {
			var w *codexauth.Manager
			w = newManager(t, s, store, func(c *codexauth.Config) {
				c.OnEvent = func(e codexauth.Event) {
					mine, err := w.Announce(t.Context(), e)
					if err != nil {
						t.Error(err)
					}
					if mu.Lock(); mine {
						name := string(e.Kind)
						if e.Recovered {
							name = "recovered"
						}
						announced[name]++
					}
					mu.Unlock()
				}
			})
			go w.Watch(t.Context(), nil)
		}
		want := func(kinds ...string) {
			t.Helper()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			for _, kind := range kinds {
				if announced[kind] != 1 {
					t.Errorf("%s was announced %d times", kind, announced[kind])
				}
				delete(announced, kind)
			}
			for kind, n := range announced {
				t.Errorf("%s was announced %d times", kind, n)
			}
		}
		want()
		s.before = func(int) (*http.Response, error) { return s.reply(http.StatusTooManyRequests, "{}"), nil }
		for range 4 {
			_, _ = m.Refresh(t.Context())
			time.Sleep(10 * time.Minute)
		}
		want("backing_off")
		s.before = nil
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("recovered")
		refuse(s, "refresh_token_reused")
		for range 3 {
			_, _ = m.Refresh(t.Context())
		}
		want("refused")
		s.before = nil
		signIn(t, s, store)
		want("recovered")
	})
}

// A refresh that is under way is not disturbed by an announcement, and keeps it.
func TestAnnouncementsOutliveARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		other := newManager(t, s, store)
		s.latency = 5 * time.Second
		done := make(chan error)
		go func() { _, err := m.Refresh(t.Context()); done <- err }()
		synctest.Wait()
		e := codexauth.Event{Kind: codexauth.EventRefused, ID: "e1"}
		if mine, err := other.Announce(t.Context(), e); !mine || err != nil {
			t.Error(mine, err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, m := range []*codexauth.Manager{m, other} {
			if mine, err := m.Announce(t.Context(), e); mine || err != nil {
				t.Error("again:", mine, err)
			}
		}
		if n, reuses := s.counts(); n != 2 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}
