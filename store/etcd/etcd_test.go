package etcd

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/store/etcd/internal/gateway"
	"codexauth/store/storetest"
)

// newAddress is a place of its own on the shared server.
func newAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("etcd://%s/place-%d", need(t).Endpoint(), time.Now().UnixNano())
}

func open(t testing.TB, address string) *Store {
	t.Helper()
	s, err := Open(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newPlace(t testing.TB) storetest.Place {
	address := newAddress(t)
	return storetest.Place{
		Name: leaseTTL.String() + " " + address,
		Open: func() codexauth.Store { return open(t, address) },
		Overwrite: func(key string, record []byte) {
			overwrite(t, open(t, address), key, record)
		},
		Cut: func(c codexauth.Claim) { expire(t, c.(*claim)) },
	}
}

// overwrite puts a record without a claim.
func overwrite(t testing.TB, s *Store, key string, record []byte) {
	t.Helper()
	_, err := s.gateway.Call(patient(t), "kv/put", gateway.Put{Key: s.recordKey(key), Value: record}, &struct{}{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place { return newPlace(t) })
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, newPlace(b)) }

// BenchmarkLoadAmong shows that a Load costs the same however many records there are.
func BenchmarkLoadAmong(b *testing.B) {
	address := newAddress(b)
	s := open(b, address)
	record := []byte(strings.Repeat("r", 4400))
	there := 0
	for _, n := range []int{1, 100, 10_000, 100_000} {
		for ; there < n; there += 100 { // in batches, without claims
			var batch gateway.Txn
			for i := range min(100, n-there) {
				batch.Success = append(batch.Success, gateway.Operation{Put: &gateway.Put{Key: s.recordKey(fmt.Sprint("runner-", there+i)), Value: record}})
			}
			if _, err := s.gateway.Call(patient(b), "kv/txn", batch, &struct{}{}); err != nil {
				b.Fatal(err)
			}
		}
		there = n
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Load(b.Context(), "runner-0"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen is the start of a program: connect, and read one record.
func BenchmarkOpen(b *testing.B) {
	address := newAddress(b)
	put(b, open(b, address), "work", strings.Repeat("r", 4400))
	for b.Loop() {
		s, err := Open(address)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Load(b.Context(), "work"); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// As in the tests of the other stores.
var (
	patient, expired        = check.Patient, check.Expired
	mustClaim, put, until   = check.Claims[*Store, *claim], check.Puts[*Store], check.Until
	mustCommit, mustRelease = check.Commit, check.Release
	wantLoad, wantError     = check.Loads[*Store], check.Error
)

// queued counts those who have a place in a key's queue.
func queued(t testing.TB, s *Store, key string) int {
	t.Helper()
	var found gateway.RangeAnswer
	queue := s.queueOf(key)
	_, err := s.gateway.Call(patient(t), "kv/range", gateway.Range{Key: queue, RangeEnd: gateway.PrefixEnd(queue)}, &found)
	if err != nil {
		t.Fatal(err)
	}
	return len(found.KVs)
}

func TestBusyNamesHolder(t *testing.T) {
	place := newPlace(t)
	holder := storetest.StartHolder(t, place)
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	_, err = place.Open().Claim(expired(t), "shared")
	who := fmt.Sprintf("held by process %d on %s", holder.Process.Pid, host)
	wantError(t, err, codexauth.ErrBusy, `"shared"`, who)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = place.Open().Claim(ctx, "shared")
	wantError(t, err, codexauth.ErrBusy, who)

	s := place.Open().(*Store)
	mustClaim(t, s, "mine")
	_, err = s.Claim(expired(t), "mine") // whoever has this Store's turn
	wantError(t, err, codexauth.ErrBusy, fmt.Sprintf("held by process %d on", os.Getpid()))
}

func TestTooLarge(t *testing.T) { storetest.TooLarge(t, newPlace(t), maxRecord, maxKey) }

// TestReleased: an error says what is wrong. storetest sees that nothing changes.
func TestReleased(t *testing.T) {
	c := mustClaim(t, open(t, newAddress(t)), "work")
	mustRelease(t, c)
	wantError(t, c.Commit(t.Context(), []byte("y")), nil, "released")
	wantError(t, c.Delete(t.Context()), nil, "released")
	_, err := c.Reload(t.Context())
	wantError(t, err, nil, "released")
}

// TestNothingIsLeftBehind: of claims that were granted, given up or refused.
func TestNothingIsLeftBehind(t *testing.T) {
	address := newAddress(t)
	s, other := open(t, address), open(t, address)
	c := mustClaim(t, s, "work")
	_, err := other.Claim(expired(t), "work")
	wantError(t, err, codexauth.ErrBusy)
	for _, end := range []func(context.Context) (context.Context, context.CancelFunc){
		func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		},
		func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		ctx, cancel := end(t.Context())
		if _, err := other.Claim(ctx, "work"); err == nil {
			t.Error("the claim was granted twice")
		}
		cancel()
	}
	if n := queued(t, s, "work"); n != 1 {
		t.Errorf("%d places in the queue, want the holder's", n)
	}
	mustRelease(t, c)
	if n := queued(t, s, "work"); n != 0 {
		t.Errorf("%d places in the queue of a free claim", n)
	}
	put(t, s, "work", "x")
}

// TestWaitersAreServedInOrder, each woken by the one before alone.
func TestWaitersAreServedInOrder(t *testing.T) {
	address := newAddress(t)
	s := open(t, address)
	c := mustClaim(t, s, "work")
	var mu sync.Mutex
	var order []int
	var all sync.WaitGroup
	for i := range 8 {
		waiter := open(t, address)
		all.Go(func() {
			c, err := waiter.Claim(patient(t), "work")
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			if err := c.Release(); err != nil {
				t.Error(err)
			}
		})
		until(t, "it has a place in the queue", func() bool { return queued(t, s, "work") == i+2 })
	}
	mustRelease(t, c)
	all.Wait()
	if fmt.Sprint(order) != "[0 1 2 3 4 5 6 7]" {
		t.Errorf("served in the order %v", order)
	}
}
