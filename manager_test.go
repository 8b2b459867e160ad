package codexauth_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

func TestTokenIsServedFromTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		first := mustToken(t, signIn(t, s, store))
		second := mustToken(t, newManager(t, s, store))
		if !first.AccessToken.Equal(second.AccessToken) || second.AccountID != "acc-1" {
			t.Errorf("got %v, then %v", first, second)
		}
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d refreshes of a valid token", n)
		}
	})
}

func TestDueTokenIsServedWhileOneRefreshRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		s.latency = 10 * time.Second
		m := signIn(t, s, store)
		first := mustToken(t, m)
		time.Sleep(57 * time.Minute) // inside the window of five minutes, wherever the jitter lies
		began := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if token := mustToken(t, m); !token.AccessToken.Equal(first.AccessToken) {
					t.Error("a due token was not served while it was valid")
				}
			})
		}
		wg.Wait()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("callers waited %v for a token that was valid", waited)
		}
		time.Sleep(11 * time.Second)
		if token := mustToken(t, m); token.AccessToken.Equal(first.AccessToken) {
			t.Error("the background refresh did not happen")
		}
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

func TestExpiredTokenCostsOneRequestForAllManagers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		s.latency = 2 * time.Second
		signIn(t, s, store)
		time.Sleep(2 * time.Hour)
		tokens := make([]codexauth.Token, 60)
		var wg sync.WaitGroup
		for i := range 6 {
			m := newManager(t, s, store)
			for j := range 10 {
				wg.Go(func() { tokens[i*10+j] = mustToken(t, m) })
			}
		}
		wg.Wait()
		for _, token := range tokens {
			if !token.AccessToken.Equal(tokens[0].AccessToken) {
				t.Fatal("not everybody has the same token")
			}
		}
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

func TestCancelledCallerDoesNotCutARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		s.latency = 5 * time.Second
		m := signIn(t, s, store)
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Token(ctx)
		wantErr(t, err, context.DeadlineExceeded)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if rec := stored(t, store); rec.Seq != 2 || rec.Credential.RefreshToken != "rt-1" {
			t.Errorf("the rotation was not saved: seq %d", rec.Seq)
		}
		_, err = m.Refresh(t.Context())
		wantErr(t, err, codexauth.ErrClosed)
	})
}

func TestRefreshReturnsANewTokenEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		var rotations []codexauth.Event
		signIn(t, s, store)
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.OnEvent = func(e codexauth.Event) { rotations = append(rotations, e) }
		})
		seen := map[string]bool{mustToken(t, m).AccessToken.Reveal(): true}
		for range 5 {
			token, err := m.Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if seen[token.AccessToken.Reveal()] {
				t.Fatal("a token came twice")
			}
			seen[token.AccessToken.Reveal()] = true
		}
		m.Close()
		if len(rotations) != 5 || rotations[4].Seq != 6 || rotations[4].AccountID != "acc-1" || !rotations[4].Here {
			t.Errorf("OnEvent saw %+v", rotations)
		}
	})
}

func TestFreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		first := mustToken(t, signIn(t, s, store))
		fresh := func(min time.Duration) (codexauth.Token, time.Duration) {
			began := time.Now()
			m := newManager(t, s, store)
			token, err := m.FreshToken(t.Context(), min)
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			m.Close()
			return token, took
		}
		if token, _ := fresh(30 * time.Minute); !token.AccessToken.Equal(first.AccessToken) {
			t.Error("a token with enough left was refreshed")
		}
		time.Sleep(40 * time.Minute)
		second, _ := fresh(30 * time.Minute)
		if second.AccessToken.Equal(first.AccessToken) {
			t.Error("a token with too little left was not refreshed")
		}
		// A slow server: while the token is valid, two seconds and no more.
		s.latency = 10 * time.Second
		time.Sleep(40 * time.Minute)
		token, took := fresh(30 * time.Minute)
		if !token.AccessToken.Equal(second.AccessToken) || took != 2*time.Second {
			t.Errorf("took %v", took)
		}
		if rec := stored(t, store); rec.Seq != 3 {
			t.Error("the refresh was not finished behind the caller's back")
		}
		// Somebody else is at it: without min-valid nobody waits for a valid token.
		time.Sleep(57 * time.Minute)
		claim, err := store.Claim(t.Context(), codexauth.DefaultKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, took := fresh(0); took != 0 {
			t.Errorf("waited %v for somebody else though the token is valid", took)
		}
		claim.Release()
	})
}

func TestSecondProcessWithOtherIssuerSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		time.Sleep(2 * time.Hour)
		for _, p := range []codexauth.Provider{{Issuer: "http://127.0.0.1:10"}, {Issuer: issuer, ClientID: "another"}} {
			m := newManager(t, s, store, func(c *codexauth.Config) { c.Provider = p })
			_, err := m.Token(t.Context())
			wantErr(t, err, codexauth.ErrOtherLogin)
		}
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// A program that runs through eighty expiries never waits for a refresh, however
// rarely it asks, and many such programs cost one request an expiry.
func TestLongLivedProgramsNeverWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		s.latency = 10 * time.Second
		signIn(t, s, store).Close()
		var managers []*codexauth.Manager
		for range 10 {
			m := newManager(t, s, store, func(c *codexauth.Config) { c.Lazy = false })
			mustToken(t, m)
			managers = append(managers, m)
		}
		for range 50 {
			time.Sleep(89 * time.Minute) // longer than a token lives
			var wg sync.WaitGroup
			for _, m := range managers {
				for range 100 {
					wg.Go(func() {
						began := time.Now()
						if token := mustToken(t, m); !token.Expiry.After(time.Now()) {
							t.Error("an expired token")
						}
						if waited := time.Since(began); waited != 0 {
							t.Errorf("waited %v", waited)
						}
					})
				}
			}
			wg.Wait()
		}
		if n, reuses := s.counts(); n < 75 || n > 85 || reuses != 0 { // one every 55 to 56 minutes
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

// The path of a token that is due: no caller but the one who starts the refresh
// takes a lock.
func TestDueTokenTakesNoLock(t *testing.T) {
	s, store := newFake(), memory.New()
	s.life = 10 * time.Second // due in the last second of it
	signIn(t, s, store)
	s.life = time.Hour
	hang := make(chan struct{})
	s.before = func(int) (*http.Response, error) { <-hang; return nil, errors.New("cut") }
	m := newManager(t, s, store)
	mustToken(t, m)
	codexauth.MakeDue(m)
	mustToken(t, m) // starts the one refresh, which hangs
	defer close(hang)
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	defer runtime.SetMutexProfileFraction(0)
	defer runtime.SetBlockProfileRate(0)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20_000 {
				mustToken(t, m)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"mutex", "block"} {
		var out bytes.Buffer
		if err := pprof.Lookup(name).WriteTo(&out, 1); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "codexauth.(*Manager)") {
			t.Errorf("%s profile:\n%s", name, out.String())
		}
	}
}

func TestWishForMoreThanATokenLivesCostsOneRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		for range 5 {
			m := newManager(t, s, store)
			if _, err := m.FreshToken(t.Context(), 10*time.Hour); err != nil {
				t.Fatal(err)
			}
			m.Close()
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestTokenAllocatesNothing(t *testing.T) {
	s, store := newFake(), memory.New()
	m := signIn(t, s, store)
	mustToken(t, m)
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { m.Token(ctx) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
