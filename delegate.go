package codexauth

import (
	"context"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"codexauth/internal/wait"
)

// Rotate brings the stored login into a state that n accepts, if need be by a
// refresh. It is what a Config.Delegate calls on the other side: somebody has
// looked a moment ago, so that it begins with the claim.
func (m *Manager) Rotate(ctx context.Context, n Need) error {
	n.looked = true
	_, err := m.obtain(ctx, n)
	return err
}

// Settle returns when no rotation of this Manager is on its way, or when what it
// could not save is at least in a rescue file. A program that was started to
// rotate calls it before it ends: the callers of a rotation are told after a time
// that its outcome is not known, and the rotation goes on.
func (m *Manager) Settle(ctx context.Context) error {
	k, err := m.kept()
	if err != nil {
		return nil
	}
	return k.waitSettled(ctx)
}

// waitSettled is Settle where there is something to settle: a lessee rotates nothing.
func (k *keeper) waitSettled(ctx context.Context) error {
	for {
		hd := k.underWay()
		if hd == nil {
			return nil
		}
		select {
		case <-hd.done:
		case <-hd.rescued:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// delegate has another process rotate, and looks what became of it.
func (k *keeper) delegate(ctx context.Context, n Need, valid bool) (*held, error) {
	n.AtOnce = n.AtOnce && valid
	began := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := k.cfg.Delegate(ctx, n)
		if errors.Is(err, errors.ErrUnsupported) {
			k.log.Debug("rotating in this process", "reason", err)
			return k.rotate(ctx, n, valid)
		}
		rec, loadErr := k.load(ctx)
		if loadErr != nil {
			return nil, moreTelling(err, loadErr)
		}
		h := k.publish(heldOf(rec))
		switch {
		case n.accepts(h):
			return h, nil
		case err != nil && errors.Is(err, ErrRescueUnreadable):
			return nil, err
		case rec.refused() != nil && (err != nil || !n.Force):
			return nil, rec.refused().err()
		case h.kept && n.Force, backoffLeft(rec, Need{}) > 0 && (err != nil || !n.Force):
			return nil, backoffError(rec)
		case err != nil:
			return nil, err
		}
		// Somebody else was at it, for something else or in vain: once more.
		if time.Since(began) > k.cfg.Patience {
			return nil, &RetryError{Err: fmt.Errorf("%w: other processes keep rotating this login", ErrBusy)}
		}
		if err := wait.Sleep(ctx, pause/2+mrand.N(pause)); err != nil {
			return nil, err
		}
	}
}
