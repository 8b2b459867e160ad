package codexauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

func TestDelegate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		calls := 0
		delegating := func(f func(context.Context, codexauth.Need) error) *codexauth.Manager {
			return newManager(t, s, store, func(c *codexauth.Config) {
				c.Delegate = codexauth.Delegate(func(ctx context.Context, n codexauth.Need) error { calls++; return f(ctx, n) })
			})
		}
		// Another process does it.
		other := newManager(t, s, store)
		m := delegating(func(ctx context.Context, n codexauth.Need) error { return codexauth.Rotate(ctx, other, n) })
		mustToken(t, m)
		if n, _ := s.counts(); n != 1 || calls != 1 {
			t.Errorf("%d requests, %d calls", n, calls)
		}
		// Its error counts only if the store tells no better.
		time.Sleep(2 * time.Hour)
		cut := errors.New("the other process was cut off")
		m = delegating(func(ctx context.Context, r codexauth.Need) error {
			codexauth.Rotate(ctx, other, r)
			return cut
		})
		mustToken(t, m)
		time.Sleep(2 * time.Hour)
		_, err := delegating(func(context.Context, codexauth.Need) error { return cut }).Token(t.Context())
		wantErr(t, err, cut)
		// A refusal that the other process stored is told as if it were our own.
		s.dead = true
		_, err = delegating(func(ctx context.Context, r codexauth.Need) error {
			codexauth.Rotate(ctx, other, r)
			return cut
		}).Token(t.Context())
		wantRefusal(t, err, "refresh_token_reused")
	})
}

// Where the new token waits is not hidden by what stands in the store.
func TestDelegateThatCouldNotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.Delegate = func(ctx context.Context, _ []byte, _ bool) error {
				claim, err := store.Claim(ctx, codexauth.DefaultKey)
				if err == nil {
					err = errors.Join(claim.Commit(ctx, []byte("somebody else's")), claim.Release())
				}
				return errors.Join(codexauth.ErrNotSaved, err)
			}
		})
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSaved)
	})
}

func TestDelegateThatIsNotPossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m := newManager(t, s, expired(t, s), func(c *codexauth.Config) {
			c.Delegate = func(context.Context, []byte, bool) error { return errors.ErrUnsupported }
		})
		mustToken(t, m)
	})
}

// A caller that closes its Manager does not wait for the other process.
func TestCloseLeavesADelegateToItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.latency = time.Minute
		store := expired(t, s)
		other := newManager(t, s, store)
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.Delegate = func(ctx context.Context, job []byte, _ bool) error {
				go other.Rotate(context.Background(), job)
				<-ctx.Done()
				return ctx.Err()
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Token(ctx); err == nil {
			t.Error("a token out of nowhere")
		}
		began := time.Now()
		m.Close()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("Close waited %v", waited)
		}
		time.Sleep(2 * time.Minute)
		if rec := stored(t, store); rec.Seq != 2 {
			t.Error("the other process did not finish")
		}
	})
}

// TestRotateBeginsWithTheClaim: who calls it has looked a moment ago, and the
// record is read under the claim in any case.
func TestRotateBeginsWithTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: expired(t, s)}
		if err := codexauth.Rotate(t.Context(), newManager(t, s, store), codexauth.Need{}); err != nil {
			t.Fatal(err)
		}
		if n := store.loads.Load(); n != 0 {
			t.Errorf("it read the record %d times in addition to the claim", n)
		}
		if err := codexauth.Rotate(t.Context(), newManager(t, s, store), codexauth.Need{}); err != nil {
			t.Fatal(err)
		}
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses: the second found a valid token", n, reuses)
		}
	})
}

// TestRotateSitsOutABackoff that it finds, as every caller without a valid token
// does, and does not ask again after a failure of its own.
func TestRotateSitsOutABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.before = s.badGateway(1)
		var retry *codexauth.RetryError
		if err := codexauth.Rotate(t.Context(), newManager(t, s, store), codexauth.Need{}); !errors.As(err, &retry) {
			t.Fatalf("a bad gateway: %v", err)
		}
		if n, _ := s.counts(); n != 1 {
			t.Fatalf("%d requests, want 1", n)
		}
		began := time.Now()
		if err := codexauth.Rotate(t.Context(), newManager(t, s, store), codexauth.Need{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < time.Second || took > 16*time.Second {
			t.Errorf("the second waited for %v", took)
		}
		if n, _ := s.counts(); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
}

// TestRotateAsksForTheMetadataOnce, although two may want it at once, and asks
// again after a failure.
func TestRotateAsksForTheMetadataOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { r.Endpoints = nil }) // a sign-in remembers them
		var asked atomic.Int32
		var broken atomic.Bool
		broken.Store(true)
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.Path, ".well-known") {
					asked.Add(1)
					time.Sleep(time.Second) // so that the claim is there first
					if broken.Load() {
						return nil, errors.New("no way there")
					}
				}
				return s.RoundTrip(r)
			})}
		})
		wantErr(t, codexauth.Rotate(t.Context(), m, codexauth.Need{}), codexauth.ErrTransient)
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d token requests without metadata", n)
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("it asked %d times, want ahead and when it was needed", n)
		}
		broken.Store(false)
		asked.Store(0)
		if err := codexauth.Rotate(t.Context(), m, codexauth.Need{}); err != nil {
			t.Fatal(err)
		}
		if n := asked.Load(); n != 2 { // neither form is served by the fake
			t.Errorf("it asked %d times, want once for each form", n)
		}
	})
}

// TestKnownEndpointsAreNotWaitedFor: a caller that leaves is told so, and not
// that the issuer could not be asked.
func TestKnownEndpointsAreNotWaitedFor(t *testing.T) {
	s := newFake()
	m := signIn(t, s, memory.New())
	left, leave := context.WithCancel(t.Context())
	leave()
	for range 20 { // the two ways out would be taken at random
		_, err := m.SignIn(left, codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{})
		var asked *codexauth.Error
		if !errors.Is(err, context.Canceled) || errors.As(err, &asked) {
			t.Fatalf("got %v, want that it was cancelled", err)
		}
	}
}

// BeforeClaim comes before each claim, of a rotation or a sign-out, and not before
// a token that is stored is served.
func TestBeforeClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &watchedStore{Store: memory.New()}
		signIn(t, s, store)
		told := 0
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.BeforeClaim = func() {
				if told++; store.held.Load() {
					t.Error("it is told about a claim that it has already")
				}
			}
		})
		mustToken(t, m)
		if told != 0 {
			t.Errorf("told %d times, and nothing was claimed", told)
		}
		time.Sleep(2 * time.Hour)
		mustToken(t, m)
		if told != 1 {
			t.Errorf("told %d times of one refresh", told)
		}
		if err := m.SignOut(t.Context(), true); err != nil || told != 2 {
			t.Errorf("told %d times after a sign-out; %v", told, err)
		}
	})
}
