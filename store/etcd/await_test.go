package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/sandbox"
	"codexauth/store/storetest"
)

// seen is what Await returned.
type seen struct {
	record []byte
	err    error
}

// awaiting calls Await, and tells when it returns and what.
func awaiting(ctx context.Context, s *Store, key string, old []byte) <-chan seen {
	done := make(chan seen, 1)
	go func() {
		record, err := s.Await(ctx, key, old)
		done <- seen{record, err}
	}()
	return done
}

func wantStillAwaiting(t *testing.T, done <-chan seen) {
	t.Helper()
	select {
	case was := <-done:
		t.Fatalf("Await returned %q and %v, and nothing has changed", was.record, was.err)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestAwait(t *testing.T) {
	address := newAddress(t)
	s, other := open(t, address), open(t, address)
	put(t, s, "work", "old")
	if _, err := other.Await(patient(t), "work", []byte("old")); err != nil {
		t.Errorf("nobody holds the claim: %v", err)
	}
	for name, change := range map[string]struct {
		old    []byte
		make   func(c *claim)
		record []byte // that Await is told with the change
	}{
		"commit":  {[]byte("old"), func(c *claim) { mustCommit(t, c, "new") }, []byte("new")},
		"release": {[]byte("old"), func(c *claim) { mustRelease(t, c) }, nil},
		"delete":  {[]byte("old"), func(c *claim) { c.Delete(patient(t)) }, nil},
		"birth":   {nil, func(c *claim) { mustCommit(t, c, "") }, []byte{}},
		"expiry":  {[]byte("old"), func(c *claim) { expire(t, c) }, nil},
	} {
		if change.old != nil {
			put(t, s, name, string(change.old))
		}
		c := mustClaim(t, s, name)
		done := awaiting(patient(t), other, name, change.old)
		wantStillAwaiting(t, done)
		if n := queued(t, s, name); n != 1 {
			t.Errorf("%d places in the queue: Await takes none", n)
		}
		start := time.Now()
		change.make(c)
		was := <-done
		if was.err != nil {
			t.Errorf("%s: %v", name, was.err)
		}
		if !bytes.Equal(was.record, change.record) || (was.record == nil) != (change.record == nil) {
			t.Errorf("%s: Await returned the record %q, want %q", name, was.record, change.record)
		}
		if took := time.Since(start); took > lookAgain/2 {
			t.Errorf("%s: Await returned after %v", name, took)
		}
		mustRelease(t, c)
	}

	c := mustClaim(t, s, "work")
	for _, older := range [][]byte{[]byte("older"), nil} {
		if record, err := other.Await(patient(t), "work", older); string(record) != "old" || err != nil {
			t.Errorf("the record is another, and Await returned %q, %v", record, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := other.Await(ctx, "work", []byte("old"))
	wantError(t, err, context.DeadlineExceeded, `"work"`, s.String())
	cancelled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = other.Await(cancelled, "work", []byte("old"))
	wantError(t, err, context.Canceled)
	mustRelease(t, c)
}

// TestAwaitNoticesADeath at once, on the machine of the one that died.
func TestAwaitNoticesADeath(t *testing.T) {
	place := newPlace(t)
	holder := storetest.StartHolder(t, place)
	done := awaiting(patient(t), place.Open().(*Store), "shared", nil)
	wantStillAwaiting(t, done)
	start := time.Now()
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.Wait()
	if was := <-done; was.err != nil {
		t.Fatal(was.err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Await returned %v after the death", took)
	}
}

// TestAwaitWithoutEtcd says that it may pass, and a watch that breaks is begun again.
func TestAwaitWithoutEtcd(t *testing.T) {
	front := newFront(t, need(t).Endpoint())
	s := open(t, newAddress(t))
	waiter, err := New(Config{Endpoints: []string{front.address()}, Prefix: s.prefix})
	if err != nil {
		t.Fatal(err)
	}
	defer waiter.Close()
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	done := awaiting(patient(t), waiter, "work", []byte("old"))
	wantStillAwaiting(t, done)
	front.cut()
	wantStillAwaiting(t, done)
	mustCommit(t, c, "new")
	if was := <-done; was.err != nil {
		t.Error(was.err)
	}
	done = awaiting(patient(t), waiter, "work", []byte("new"))
	wantStillAwaiting(t, done)
	front.down.Store(true)
	front.cut()
	wantError(t, (<-done).err, codexauth.ErrTransient)
}

// BenchmarkWaiters is how long Managers that wait for a token take to have it
// after the one that refreshes has committed it, in milliseconds.
func BenchmarkWaiters(b *testing.B) {
	for _, n := range []int{8, 32, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var median, last time.Duration
			for b.Loop() {
				delays := waitersDelays(b, n)
				median, last = median+delays[len(delays)/2], last+delays[len(delays)-1]
			}
			b.ReportMetric(median.Seconds()*1e3/float64(b.N), "median-ms")
			b.ReportMetric(last.Seconds()*1e3/float64(b.N), "last-ms")
		})
	}
}

// waitersDelays makes a storm of n Managers, each with connections of its own.
func waitersDelays(b *testing.B, n int) []time.Duration {
	address := newAddress(b)
	server, err := sandbox.Start(sandbox.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	check.ExpiredLogin(b, open(b, address), server)
	if err := server.SetFaults(sandbox.Fault{Name: "latency", Arg: "1s"}); err != nil {
		b.Fatal(err)
	}
	var mu sync.Mutex
	var committed time.Time
	var had []time.Time
	var all sync.WaitGroup
	for range n {
		cfg := check.ManagerConfig(open(b, address), server.URL(), check.RescueDir(b))
		cfg.OnEvent = func(e codexauth.Event) {
			if e.Kind == codexauth.EventRefreshed && e.Here {
				committed = e.At
			}
		}
		m, err := codexauth.NewManager(cfg)
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() {
			_, err := m.Token(patient(b))
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			if had = append(had, now); err != nil {
				b.Error(err)
			}
			if err := m.Close(); err != nil && !errors.Is(err, codexauth.ErrClosed) {
				b.Error(err)
			}
		})
	}
	all.Wait()
	if c := server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
		b.Errorf("%d token requests, %d reuses", c.TokenRequests, c.Reuses)
	}
	var delays []time.Duration
	for _, at := range had {
		delays = append(delays, at.Sub(committed))
	}
	slices.Sort(delays)
	return delays
}
