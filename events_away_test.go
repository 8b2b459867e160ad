package codexauth_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

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
