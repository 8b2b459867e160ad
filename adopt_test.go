package codexauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// watchedStore is a [codexauth.Watcher] that can fail to be one.
type watchedStore struct {
	*memory.Store
	granted   atomic.Int32 // claims so far
	held      atomic.Bool
	linger    time.Duration // Release takes that long
	awaiting  error         // what Await returns
	tells     bool          // Await returns the new record
	loads     atomic.Int32
	unplugged atomic.Bool // the store can't be reached
}

func (s *watchedStore) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	if s.unplugged.Load() {
		return nil, fmt.Errorf("%w: no connection", codexauth.ErrTransient)
	}
	c, err := s.Store.Claim(ctx, key)
	if err != nil {
		return nil, err
	}
	s.granted.Add(1)
	s.held.Store(true)
	return watchedClaim{c, s}, nil
}

func (s *watchedStore) Await(ctx context.Context, key string, old []byte) ([]byte, error) {
	for s.held.Load() {
		if s.unplugged.Load() {
			return nil, fmt.Errorf("%w: no connection", codexauth.ErrTransient)
		}
		if s.awaiting != nil {
			return nil, s.awaiting
		}
		if now, err := s.Store.Load(ctx, key); err != nil || !bytes.Equal(now, old) {
			return s.told(now), err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

// told returns what Await does with a new record.
func (s *watchedStore) told(now []byte) []byte {
	if s.tells {
		return now
	}
	return nil
}

func (s *watchedStore) Load(ctx context.Context, key string) ([]byte, error) {
	s.loads.Add(1)
	return s.Store.Load(ctx, key)
}

type watchedClaim struct {
	codexauth.Claim
	s *watchedStore
}

func (c watchedClaim) Release() error {
	time.Sleep(c.s.linger)
	c.s.held.Store(false)
	return c.Claim.Release()
}

// tokens asks n Managers at once.
func tokens(t *testing.T, s *fakeServer, store codexauth.Store, n int) (got []codexauth.Token, errs []error) {
	t.Helper()
	got, errs = make([]codexauth.Token, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		m := newManager(t, s, store)
		all.Go(func() { got[i], errs[i] = m.Token(t.Context()) })
	}
	all.Wait()
	return got, errs
}

// TestWaitersAdoptAtOnce: whoever waits for a claim has the new token when it is
// committed, and needs no claim.
func TestWaitersAdoptAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: expired(t, s), linger: time.Minute}
		s.latency = 2 * time.Second
		began := time.Now()
		var all sync.WaitGroup
		for range 20 {
			m := newManager(t, s, store)
			all.Go(func() {
				mustToken(t, m)
				// The one that has the claim lingers, and nobody waits for it.
				if took := time.Since(began); took > 3*time.Second && took < time.Minute {
					t.Errorf("a waiter had its token after %v", took)
				}
			})
		}
		all.Wait()
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
		if n := store.granted.Load(); n != 1 {
			t.Errorf("%d claims, want that of the one that refreshed", n)
		}
	})
}

// TestWaitersAdoptWhatTheyAreTold: a store that brings the new record is not
// asked for it.
func TestWaitersAdoptWhatTheyAreTold(t *testing.T) {
	loads := func(tells bool) (n int) {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			store := &watchedStore{Store: expired(t, s), tells: tells, linger: time.Minute}
			s.latency = time.Second
			time.AfterFunc(s.latency/2, func() { store.loads.Store(0) }) // all wait by then
			got, errs := tokens(t, s, store, 10)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, token := range got {
				if token.AccessToken.Reveal() != got[0].AccessToken.Reveal() {
					t.Error("two tokens came of one refresh")
				}
			}
			n = int(store.loads.Load())
		})
		return n
	}
	if told, untold := loads(true), loads(false); told != 0 || untold != 9 {
		t.Errorf("%d loads by 9 Managers after the commit; %d by those that are told", untold, told)
	}
}

// TestWaitersHearOfARefusal: it ends their wait as a token does.
func TestWaitersHearOfARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: expired(t, s)}
		s.latency, s.dead = time.Second, true
		_, errs := tokens(t, s, store, 10)
		for _, err := range errs {
			wantErr(t, err, codexauth.ErrRefused)
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
		if n := store.granted.Load(); n != 1 {
			t.Errorf("%d claims", n)
		}
	})
}

// TestWaitersSucceedAHolder that has let go and left things as they were.
func TestWaitersSucceedAHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: expired(t, s)}
		holder, err := store.Claim(t.Context(), codexauth.DefaultKey)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { holder.Release() })
		began := time.Now()
		_, errs := tokens(t, s, store, 10)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
		if took := time.Since(began); took > time.Minute+3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestWaitEndsWithPatience, and the error names who was waited for.
func TestWaitEndsWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: expired(t, s)}
		holder, err := store.Claim(t.Context(), codexauth.DefaultKey)
		if err != nil {
			t.Fatal(err)
		}
		defer holder.Release()
		began := time.Now()
		_, err = newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrBusy, codexauth.ErrTransient)
		if took := time.Since(began); took < 2*time.Minute || took > 2*time.Minute+time.Second {
			t.Errorf("it waited for %v, want two minutes", took)
		}
	})
}

// TestWatcherThatCannotWatch: then the claim is waited for, one after the other.
func TestWatcherThatCannotWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: expired(t, s), awaiting: errors.New("not this time")}
		s.latency = time.Second
		_, errs := tokens(t, s, store, 10)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

// TestStoreFailsDuringTheWait: who waits outlives a restart of the store; who
// finds the store gone at the start is told at once.
func TestStoreFailsDuringTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: expired(t, s)}
		holder, err := store.Claim(t.Context(), codexauth.DefaultKey)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(10*time.Second, func() { store.unplugged.Store(true) })
		time.AfterFunc(40*time.Second, func() {
			_, err := newManager(t, s, store).Token(t.Context())
			if !errors.Is(err, codexauth.ErrTransient) {
				t.Errorf("got %v from a store that is gone", err)
			}
			holder.Release()
			store.unplugged.Store(false)
		})
		_, errs := tokens(t, s, store, 5)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}
