package codexauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

func TestDelegate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		calls := 0
		delegating := func(f func(context.Context, codexauth.Request) error) *codexauth.Manager {
			return newManager(t, s, store, func(c *codexauth.Config) {
				c.Delegate = func(ctx context.Context, r codexauth.Request) error { calls++; return f(ctx, r) }
			})
		}
		// Another process does it.
		other := newManager(t, s, store)
		m := delegating(other.Rotate)
		mustToken(t, m)
		if n, _ := s.counts(); n != 1 || calls != 1 {
			t.Errorf("%d requests, %d calls", n, calls)
		}
		// Its error counts only if the store tells no better.
		time.Sleep(2 * time.Hour)
		cut := errors.New("the other process was cut off")
		m = delegating(func(ctx context.Context, r codexauth.Request) error {
			other.Rotate(ctx, r)
			return cut
		})
		mustToken(t, m)
		time.Sleep(2 * time.Hour)
		_, err := delegating(func(context.Context, codexauth.Request) error { return cut }).Token(t.Context())
		wantErr(t, err, cut)
		// A refusal that the other process stored is told as if it were our own.
		s.dead = true
		_, err = delegating(func(ctx context.Context, r codexauth.Request) error {
			other.Rotate(ctx, r)
			return cut
		}).Token(t.Context())
		wantErr(t, err, codexauth.ErrRefused, codexauth.ErrRefreshTokenReused)
	})
}

func TestDelegateThatIsNotPossible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m := newManager(t, s, expired(t, s), func(c *codexauth.Config) {
			c.Delegate = func(context.Context, codexauth.Request) error { return errors.ErrUnsupported }
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
			c.Delegate = func(ctx context.Context, r codexauth.Request) error {
				go other.Rotate(context.Background(), r)
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
