package codexauth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

// Rules of the fine print that nothing else would miss: rigs/mutations weakens each
// of them and has its test run.

// The note may have landed at the moment at which its commit began: from then on
// the fence counts, however long the store took.
func TestFenceCountsFromBeforeTheNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = func(_ context.Context, _ []byte, commit func() error) error {
			err := commit()
			time.Sleep(12 * time.Second)
			return err
		}
		m := onBubbleTime(newManager(t, s, store))
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests left more than ten seconds after their note was begun", n)
		}
		store.commit = nil
		mustToken(t, m)
	})
}

func TestFenceWithdrawsALateRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		m := newManager(t, s, store)
		n := time.Duration(0)
		m.SetBoot(func() time.Duration { // every look at the clock finds it 11 s later: the machine was suspended
			n += 11 * time.Second
			return n
		})
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests left after the fence", n)
		}
		if rec := stored(t, store); rec.Note != nil {
			t.Fatal("the note was not withdrawn")
		}
		m.SetBoot(func() time.Duration { return n })
		mustToken(t, m)
	})
}

// A machine that sleeps once between note and request costs its caller nothing.
func TestFenceIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m := newManager(t, s, expired(t, s))
		looks := 0
		m.SetBoot(func() time.Duration {
			if looks++; looks == 1 { // when the note is begun
				return 0
			}
			return time.Minute
		})
		mustToken(t, m)
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
