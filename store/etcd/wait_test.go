package etcd

import (
	"context"
	"errors"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/etcd/internal/gateway"
	"codexauth/store/storetest"
)

// waiting starts a Claim by another Store, and returns once it has its place.
func waiting(t *testing.T, s *Store, waiter *Store, places int) <-chan error {
	t.Helper()
	granted := make(chan error, 1)
	go func() {
		c, err := waiter.Claim(patient(t), "shared")
		if err == nil {
			err = c.Release()
		}
		granted <- err
	}()
	until(t, "it has a place in the queue", func() bool { return queued(t, s, "shared") == places })
	return granted
}

// TestKilledHolderLetsGoAtOnce on a machine where somebody waits, and not when
// its lease ends.
func TestKilledHolderLetsGoAtOnce(t *testing.T) {
	place := newPlace(t)
	s := place.Open().(*Store)
	holder := storetest.StartHolder(t, place)
	granted := waiting(t, s, s, 2)
	start := time.Now()
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	if err := <-granted; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the next claim came %v after the kill", took)
	}
}

// TestKilledWaiterHoldsNobodyUp: the one behind it takes its place.
func TestKilledWaiterHoldsNobodyUp(t *testing.T) {
	place := newPlace(t)
	s := place.Open().(*Store)
	c := mustClaim(t, s, "shared")
	dead := storetest.HolderProcess(t, place)
	if err := dead.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the process waits", func() bool { return queued(t, s, "shared") == 2 })
	granted := waiting(t, s, place.Open().(*Store), 3)
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	dead.Wait()
	mustRelease(t, c)
	start := time.Now()
	if err := <-granted; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the claim came after %v", took)
	}
}

// TestVanishedHolder, whose machine nobody can look at, loses its claim with its
// lease, and not before.
func TestVanishedHolder(t *testing.T) {
	t.Parallel()
	address := newAddress(t)
	s := open(t, address)
	s.ttl = 3 * time.Second
	c := mustClaim(t, s, "shared")
	mustCommit(t, c, "note")
	next := open(t, address)
	time.Sleep(4 * time.Second) // while it is kept alive it does not end
	_, err := next.Claim(expired(t), "shared")
	wantError(t, err, codexauth.ErrBusy)
	c.lease.Abandon()
	start := time.Now()
	if err := <-waiting(t, s, next, 2); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < s.ttl/2 {
		t.Errorf("the lease of %v ended after %v", s.ttl, took)
	}
	mustCommit(t, c, "late")
}

// TestWaiterWhoseLeaseEnded lines up again.
func TestWaiterWhoseLeaseEnded(t *testing.T) {
	address := newAddress(t)
	s, waiter := open(t, address), open(t, address)
	c := mustClaim(t, s, "shared")
	granted := waiting(t, s, waiter, 2)
	var found gateway.RangeAnswer
	queue := s.queueOf("shared")
	_, err := s.gateway.Call(patient(t), "kv/range", gateway.Range{Key: queue, RangeEnd: gateway.PrefixEnd(queue), Limit: 1,
		SortOrder: "DESCEND", SortTarget: "CREATE"}, &found)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.gateway.Revoke(patient(t), found.KVs[0].Lease); err != nil {
		t.Fatal(err)
	}
	mustRelease(t, c)
	if err := <-granted; err != nil {
		t.Fatal(err)
	}
	if n := queued(t, s, "shared"); n != 0 {
		t.Errorf("%d places are left in the queue", n)
	}
}

// TestWatchIsCut: a waiter whose connections break, or whose endpoint goes away
// for good, hears of the release all the same, and soon.
func TestWatchIsCut(t *testing.T) {
	for name, restored := range map[string]bool{"once": true, "for good": false} {
		t.Run(name, func(t *testing.T) {
			front := newFront(t, need(t).Endpoint())
			s := open(t, newAddress(t))
			waiter, err := New(Config{Endpoints: []string{front.address(), testServer.Endpoint()}, Prefix: s.prefix})
			if err != nil {
				t.Fatal(err)
			}
			defer waiter.Close()
			c := mustClaim(t, s, "shared")
			granted := waiting(t, s, waiter, 2)
			front.down.Store(!restored)
			front.cut()
			time.Sleep(200 * time.Millisecond)
			start := time.Now()
			mustRelease(t, c)
			if err := <-granted; err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > lookAgain/2 {
				t.Errorf("the claim came after %v", took)
			}
		})
	}
}

// TestCompaction: what happened may be compacted when a watch begins.
func TestCompaction(t *testing.T) {
	address := newAddress(t)
	s := open(t, address)
	c := mustClaim(t, s, "shared")
	mustCommit(t, c, "a")
	mustCommit(t, c, "b")
	e, err := s.read(patient(t), "shared")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.gateway.Call(patient(t), "kv/compaction", map[string]any{"revision": e.revision, "physical": true}, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.gateway.AwaitEvent(patient(t), gateway.DeletionOf(s.queueOf("shared"), 1))
	wantError(t, err, nil, "compacted")
	granted := waiting(t, s, open(t, address), 2)
	mustRelease(t, c)
	if err := <-granted; err != nil {
		t.Fatal(err)
	}
}

// TestEtcdIsAwayWhileWaiting: a Claim with a deadline ends soon after it, and one
// that is cancelled at once.
func TestEtcdIsAwayWhileWaiting(t *testing.T) {
	front := newFront(t, need(t).Endpoint())
	s := open(t, newAddress(t))
	mustClaim(t, s, "shared")
	for _, want := range []error{codexauth.ErrTransient, context.Canceled} {
		waiter, err := New(Config{Endpoints: []string{front.address()}, Prefix: s.prefix})
		if err != nil {
			t.Fatal(err)
		}
		defer waiter.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		granted := make(chan error, 1)
		go func() {
			_, err := waiter.Claim(ctx, "shared")
			granted <- err
		}()
		until(t, "it waits", func() bool { return queued(t, s, "shared") == 2 })
		time.Sleep(100 * time.Millisecond) // and has heard so
		front.down.Store(true)
		front.cut()
		if errors.Is(want, context.Canceled) {
			cancel()
		}
		start := time.Now()
		wantError(t, <-granted, want)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		front.down.Store(false)
		s = open(t, newAddress(t))
		mustClaim(t, s, "shared")
	}
}
