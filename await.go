package codexauth

import (
	"context"
	"errors"
	"time"

	"codexauth/internal/wait"
)

// A Watcher is a [Store] that can tell those who wait for a claim when there may
// be nothing left to wait for. Where many wait, none of them then takes the claim
// only to find that the first has rotated: all look at once. A store that is no
// Watcher works as well, one waiter after the other.
type Watcher interface {
	// Await returns nil as soon as the record of key is another than old (nil:
	// there was none), or nobody holds its claim. It may return nil too early: the
	// caller looks for itself, and asks again. When ctx ends first, the error wraps
	// ctx's. One that wraps [ErrTransient] may pass; after any other the caller
	// waits with Claim.
	Await(ctx context.Context, key string, old []byte) error
}

// claimOrAdopt wins the claim for w, or returns the token that w accepts, if somebody
// else brings it first.
func (m *Manager) claimOrAdopt(ctx context.Context, w Request, patience time.Duration) (Claim, *held, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	watcher, ok := m.cfg.Store.(Watcher)
	if !ok || patience <= 0 {
		claim, err := m.cfg.Store.Claim(ctx, m.cfg.Key)
		return claim, nil, err
	}
	answered := false // only a store that has answered before is waited for when it fails
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		began := time.Now()
		claim, err := m.claimAtOnce(ctx)
		busy := errors.Is(err, ErrBusy)
		if !busy && !(answered && errors.Is(err, ErrTransient)) || ctx.Err() != nil {
			return claim, nil, err
		}
		answered = true
		if busy {
			h, done, err := m.adopt(ctx, watcher, w)
			if done {
				return nil, h, err
			}
			if err != nil && !errors.Is(err, ErrTransient) && ctx.Err() == nil {
				claim, err := m.cfg.Store.Claim(ctx, m.cfg.Key)
				return claim, nil, err
			}
		}
		if left := pause - time.Since(began); left > 0 {
			_ = wait.Sleep(ctx, left) // if ctx ends, one more attempt tells who is waited for
		}
	}
}

// claimAtOnce makes one attempt, as with a deadline that has passed.
func (m *Manager) claimAtOnce(ctx context.Context) (Claim, error) {
	ctx, cancel := context.WithDeadline(ctx, time.Now())
	defer cancel()
	return m.cfg.Store.Claim(ctx, m.cfg.Key)
}

// adopt waits until somebody else has brought what w wants, or a reason why it
// can't be had: then it is done. Otherwise the claim may be free.
func (m *Manager) adopt(ctx context.Context, watcher Watcher, w Request) (h *held, done bool, err error) {
	data, h, done, err := m.look(ctx, w)
	if done || err != nil {
		return h, done, err
	}
	if err := watcher.Await(ctx, m.cfg.Key, data); err != nil {
		return nil, false, err
	}
	_, h, done, err = m.look(ctx, w)
	return h, done, err
}

// look reads the record, and tells whether that ends the wait of w.
func (m *Manager) look(ctx context.Context, w Request) (data []byte, h *held, done bool, err error) {
	if data, err = m.loadBytes(ctx); err != nil {
		return nil, nil, false, err
	}
	rec, err := m.read(data)
	if err != nil {
		return nil, nil, true, err
	}
	if h := m.publish(heldOf(rec)); w.accepts(h) {
		return nil, h, true, nil
	}
	if err := m.mayAsk(rec, w); err != nil && len(m.rescueFiles()) == 0 {
		return nil, nil, true, err
	}
	if backoffLeft(rec, w) > 0 {
		return nil, nil, true, backoffError(rec)
	}
	return data, nil, false, nil
}
