package postgres

import (
	"context"
	"sync"
	"testing"
	"time"
)

// awaiting starts n who await the end of what old is in, and returns a channel
// with what they are told.
func awaiting(ctx context.Context, s *Store, n int, key string, old []byte) chan error {
	told := make(chan error, n)
	for range n {
		go func() {
			_, err := s.Await(ctx, key, old)
			told <- err
		}()
	}
	return told
}

// blocked reports whether n sessions wait for a claim to end.
func blocked(t *testing.T, n int64) func() bool {
	return func() bool {
		return admin(t, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'
			AND NOT granted AND $1`, true)[0] == n
	}
}

// TestAwait: all who wait go on at once when the claim is released, and when its
// holder dies.
func TestAwait(t *testing.T) {
	u := newURL(t)
	s, other := open(t, u), open(t, u)
	put(t, s, "work", "old")
	for name, end := range map[string]func(*claim){
		"released": func(c *claim) { mustRelease(t, c) },
		"dead":     func(c *claim) { terminate(t, c) },
	} {
		c := mustClaim(t, s, "work")
		told := awaiting(patient(t), other, 20, "work", []byte("old"))
		until(t, "all wait", blocked(t, 20))
		select {
		case err := <-told:
			t.Fatalf("one was let go while the claim was held: %v", err)
		default:
		}
		end(c)
		for range 20 {
			if err := <-told; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		mustRelease(t, c)
	}
	until(t, "no lock is left", func() bool {
		return admin(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND $1", true)[0] == int64(0)
	})
}

// TestAwaitReturnsAtOnce where there is nothing to wait for.
func TestAwaitReturnsAtOnce(t *testing.T) {
	s := open(t, newURL(t))
	ctx := patient(t)
	for range 2 {
		if _, err := s.Await(ctx, "work", nil); err != nil { // no tables, no claim
			t.Error(err)
		}
		put(t, s, "other", "x")
	}
	c := mustClaim(t, s, "work")
	mustCommit(t, c, "new")
	for _, old := range [][]byte{nil, []byte("old"), {}} {
		if _, err := s.Await(ctx, "work", old); err != nil {
			t.Error(err)
		}
	}
	if err := c.Delete(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Await(ctx, "work", []byte("new")); err != nil {
		t.Error(err)
	}
	if _, err := s.Await(ctx, "", nil); err == nil {
		t.Error("an empty key was awaited")
	}
}

// TestAwaitSeesACommit of a holder that does not get to releasing.
func TestAwaitSeesACommit(t *testing.T) {
	u := newURL(t)
	s := open(t, u)
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	told := awaiting(patient(t), open(t, u), 1, "work", []byte("old"))
	until(t, "one waits", blocked(t, 1))
	mustCommit(t, c, "new")
	began := time.Now()
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > awaitSlice+5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestAwaitEndsWithItsContext, whatever time-outs a role has.
func TestAwaitEndsWithItsContext(t *testing.T) {
	u := newURL(t)
	s := open(t, u)
	put(t, s, "work", "old")
	admin(t, "ALTER ROLE fleet SET statement_timeout = '200ms'; ALTER ROLE fleet SET default_transaction_isolation = 'serializable'")
	t.Cleanup(func() { admin(t, "ALTER ROLE fleet RESET ALL") })
	other := open(t, u)
	mustClaim(t, s, "work")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := other.Await(ctx, "work", []byte("old"))
	wantError(t, err, context.DeadlineExceeded)
	if waited := time.Since(began); waited < 500*time.Millisecond {
		t.Errorf("it gave up after %v", waited)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = other.Await(cancelled, "work", []byte("old"))
	wantError(t, err, context.Canceled)
}

// TestAwaitDoesNotHoldUpTheNext claim, nor a reader of a small pool.
func TestAwaitDoesNotHoldUpTheNext(t *testing.T) {
	u := with(newURL(t), "pool_max_conns", "1")
	s := open(t, u)
	put(t, s, "work", "x")
	var all sync.WaitGroup
	stop, cancel := context.WithCancel(t.Context())
	for range 4 {
		other := open(t, u)
		all.Go(func() {
			for stop.Err() == nil {
				if _, err := other.Await(stop, "work", []byte("x")); err != nil && stop.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	for range 50 {
		c, err := s.Claim(expired(t), "work")
		if err != nil {
			t.Fatalf("those who wait were taken for holders: %v", err)
		}
		wantLoad(t, s, "work", "x")
		mustRelease(t, c)
	}
	cancel()
	all.Wait()
}
