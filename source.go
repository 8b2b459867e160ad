package codexauth

import (
	"context"
	"errors"
	"time"
)

// source is where a Manager's tokens come from: a login in a store (keeper) or
// another's (lessee). What only one of them can do is a method of that one alone,
// so that the Manager can't do it without having asked which it has.
type source interface {
	// get gets a token for n, by the goroutine of a flight.
	get(ctx context.Context, n Need) (*held, error)
	// force is Refresh.
	force(ctx context.Context) (*held, error)
	status(ctx context.Context) (Status, error)
	// pause is when a background attempt may begin, in Unix nanoseconds; 0 is at
	// any time. It is asked after get, under the Manager's lock.
	pause() int64
}

func newSource(m *Manager) source {
	if m.cfg.Lessor != nil {
		return &lessee{Manager: m}
	}
	return &keeper{Manager: m}
}

// kept returns the stored login, or why there is none here.
func (m *Manager) kept() (*keeper, error) {
	if k, ok := m.source.(*keeper); ok {
		return k, nil
	}
	return nil, leasedError{}
}

// leasedError is what a Manager with a Lessor can't do.
type leasedError struct{}

func (leasedError) Error() string {
	return "the login is a lessor's: sign in, sign out, move or inspect it where the broker runs"
}

func (leasedError) Unwrap() error { return errors.ErrUnsupported }

// keeper is the source of a Manager with a Store: it keeps the stored login alive.
type keeper struct {
	*Manager
	holding *holding // the rotation under way, which may outlive the flight that began it; guarded by mu
	known   known
}

// known is what only this process knows of the stored login; the goroutine that
// rotates uses it.
type known struct {
	spent     string // fingerprint of a refresh token that was accepted with an unreadable answer
	seenLogin string // the newest state seen: a store that goes back behind it was restored
	seenSeq   uint64
	noteID    string        // the foreign note being waited out
	noteSeen  time.Duration // when it was first read, by sinceBoot
	endedNote string        // our own last note that got no answer
}

// force rotates, unless somebody else begins and ends a rotation after the call.
func (k *keeper) force(ctx context.Context) (*held, error) {
	rec, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	n := Need{Force: true, Login: rec.Login, Seq: rec.Seq}
	if h := k.held.Load(); h != nil && h.login == n.Login {
		n.Seq = max(n.Seq, h.seq) // the store may have gone back behind what we know
	}
	return k.obtain(ctx, n)
}

// pause: what a keeper waits for stands in its errors.
func (k *keeper) pause() int64 { return 0 }
