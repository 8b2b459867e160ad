package codexauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"codexauth/internal/wait"
)

// Rotate brings the stored login into a state that does for job, if need be by a
// refresh. It is what another process calls for a [Config].Delegate, with the job
// that the Delegate was given: somebody has looked a moment ago, so that it begins
// with the claim.
//
// After a time Rotate returns although an answer may still come or a new token is
// still to be saved. Whoever was started to rotate calls settle before it ends: that
// returns when no rotation of this Manager is on its way, or when what it could not
// save is at least in a rescue file. It is never nil.
func (m *Manager) Rotate(ctx context.Context, job []byte) (settle func(context.Context) error, err error) {
	n := need{}
	if err := json.Unmarshal(job, &n); err != nil {
		return m.settle, fmt.Errorf("a rotation for another process: its job can't be read: %w", err)
	}
	n.looked = true
	_, err = m.obtain(ctx, n)
	return m.settle, err
}

func (m *Manager) settle(ctx context.Context) error {
	k, err := m.kept()
	if err != nil {
		return nil
	}
	return k.waitSettled(ctx)
}

// waitSettled is settle where there is something to settle: a lessee rotates nothing.
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
func (k *keeper) delegate(ctx context.Context, n need, valid bool) (*held, error) {
	n.AtOnce = n.AtOnce && valid
	job, err := json.Marshal(n)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := k.cfg.Delegate(ctx, job, n.AtOnce)
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
		case h.kept && n.Force, backoffLeft(rec, need{}) > 0 && (err != nil || !n.Force):
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
