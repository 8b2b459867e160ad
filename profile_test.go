package codexauth_test

import (
	"bytes"
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// A thousand goroutines ask a program through fifty expiries, at every moment of
// a token's life and while refreshes are on their way: none of them waits, for a
// lock or a channel (the mutex and block profiles hold no call of Token), for the
// store or for the network (none comes by there).
func TestThousandGoroutinesThroughFiftyExpiries(t *testing.T) {
	var tokens, inFlight int
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		s.life, s.latency = 10*time.Minute, 35*time.Second
		signIn(t, s, store).Close()
		guard := &ioGuard{Store: store, server: s}
		m := newManager(t, s, guard, func(c *codexauth.Config) {
			c.Lazy, c.HTTPClient = false, &http.Client{Transport: guard}
		})
		mustToken(t, m)
		guard.armed.Store(true)
		runtime.SetMutexProfileFraction(1)
		runtime.SetBlockProfileRate(1)
		defer runtime.SetMutexProfileFraction(0)
		defer runtime.SetBlockProfileRate(0)
		end := time.Now().Add(50 * 10 * time.Minute)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				for time.Now().Before(end) {
					time.Sleep(30 * time.Second) // all at the same moment
					began := time.Now()
					token, err := m.Token(t.Context())
					if now := time.Now(); err != nil || !now.Equal(began) || !token.Expiry.After(now) {
						t.Errorf("%v, %v after %v", token, err, now.Sub(began))
						return
					}
				}
			})
		}
		wg.Wait()
		tokens, _ = s.counts()
		inFlight = int(guard.requests.Load())
		if guard.callers.Load() > 0 {
			t.Errorf("%d times a call of Token came by the store or the network", guard.callers.Load())
		}
	})
	if tokens < 50 || inFlight < 50 {
		t.Errorf("%d refreshes: these were not fifty expiries", tokens)
	}
	for _, name := range []string{"mutex", "block"} {
		var out bytes.Buffer
		if err := pprof.Lookup(name).WriteTo(&out, 1); err != nil {
			t.Fatal(err)
		}
		for entry := range strings.SplitSeq(out.String(), "\n\n") {
			if onTokenPath(entry) {
				t.Errorf("%s profile:\n%s", name, entry)
			}
		}
	}
}

// onTokenPath reports whether a stack has a call of Token in it.
func onTokenPath(stack string) bool {
	return strings.Contains(stack, "codexauth.(*Manager).Token") || strings.Contains(stack, "codexauth.(*Manager).slow")
}

// ioGuard counts who comes by the store and the network on behalf of a call of Token.
type ioGuard struct {
	*memory.Store
	server            *fakeServer
	armed             atomic.Bool
	callers, requests atomic.Int64
}

func (g *ioGuard) look() {
	if g.armed.Load() && onTokenPath(string(debug.Stack())) {
		g.callers.Add(1)
	}
}

func (g *ioGuard) Load(ctx context.Context, key string) ([]byte, error) {
	g.look()
	return g.Store.Load(ctx, key)
}

func (g *ioGuard) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	g.look()
	return g.Store.Claim(ctx, key)
}

func (g *ioGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	g.look()
	g.requests.Add(1)
	return g.server.RoundTrip(req)
}
