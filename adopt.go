package codexauth

import (
	"context"
	"errors"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/wait"
)

// claimRecord claims the record at the store, and says so before.
func (k *keeper) claimRecord(ctx context.Context) (Claim, error) {
	if k.cfg.BeforeClaim != nil {
		k.cfg.BeforeClaim()
	}
	began := time.Now()
	claim, err := k.cfg.Store.Claim(ctx, k.cfg.Key)
	if err != nil {
		k.log.Debug("the record could not be claimed", "key", k.cfg.Key, "waited", time.Since(began), "reason", err)
		return nil, err
	}
	took := time.Since(began)
	k.log.Debug("claimed the record", "key", k.cfg.Key, "waited", took)
	if k.cfg.Claimed != nil {
		k.cfg.Claimed(took)
	}
	return claim, nil
}

// claimOrAdopt wins the claim for n, or returns the token that n accepts, if somebody
// else brings it first.
func (k *keeper) claimOrAdopt(ctx context.Context, n need, patience time.Duration) (Claim, *held, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	watcher, ok := k.cfg.Store.(Watcher)
	if !ok || patience <= 0 {
		claim, err := k.claimRecord(ctx)
		return claim, nil, err
	}
	answered := false // only a store that has answered before is waited for when it fails
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		began := time.Now()
		claim, err := k.claimAtOnce(ctx)
		busy := errors.Is(err, ErrBusy)
		if !busy && !(answered && errors.Is(err, ErrTransient)) || ctx.Err() != nil {
			return claim, nil, err
		}
		answered = true
		if busy {
			h, done, err := k.adopt(ctx, watcher, n)
			if done {
				return nil, h, err
			}
			if err != nil && !errors.Is(err, ErrTransient) && ctx.Err() == nil {
				claim, err := k.claimRecord(ctx)
				return claim, nil, err
			}
		}
		if left := pause - time.Since(began); left > 0 {
			_ = wait.Sleep(ctx, left) // if ctx ends, one more attempt tells who is waited for
		}
	}
}

// claimAtOnce makes one attempt, as with a deadline that has passed.
func (k *keeper) claimAtOnce(ctx context.Context) (Claim, error) {
	ctx, cancel := context.WithDeadline(ctx, time.Now())
	defer cancel()
	return k.claimRecord(ctx)
}

// adopt waits until somebody else has brought what n wants, or a reason why it
// can't be had: then it is done. Otherwise the claim may be free.
func (k *keeper) adopt(ctx context.Context, watcher Watcher, n need) (h *held, done bool, err error) {
	data, err := k.loadBytes(ctx)
	if err != nil {
		return nil, false, err
	}
	if h, done, err := k.endsWait(data, n); done {
		return h, true, err
	}
	began := time.Now()
	data, err = watcher.Await(ctx, k.cfg.Key, data)
	k.log.Debug("waited for whoever has the claim", "key", k.cfg.Key, "took", time.Since(began))
	if err == nil && data == nil {
		data, err = k.loadBytes(ctx)
	}
	if err != nil {
		return nil, false, err
	}
	return k.endsWait(data, n)
}

// endsWait tells whether a record ends the wait of n, and with what.
func (k *keeper) endsWait(data []byte, n need) (h *held, done bool, err error) {
	rec, err := k.read(data)
	if err != nil {
		return nil, true, err
	}
	switch o := k.look(rec, n); {
	case o.good:
		return o.held, true, nil
	case o.stop != nil && !k.rescued(rec): // whoever gets the claim picks that up first
		return nil, true, o.stop
	case o.wait > 0:
		return nil, true, backoffError(rec)
	}
	return nil, false, nil
}

func (k *keeper) claim(ctx context.Context) (Claim, error) {
	claiming, cancel := context.WithTimeout(ctx, k.cfg.Patience)
	defer cancel()
	claim, err := k.claimRecord(claiming)
	if err != nil {
		return nil, k.claimFailed(err)
	}
	faultpoint.At(faultpoint.Claimed)
	return claim, nil
}

func (k *keeper) claimFailed(err error) error {
	if k.ctx.Err() != nil {
		return ErrClosed
	}
	if errors.Is(err, ErrBusy) {
		return &RetryError{Err: err}
	}
	k.seen.cantSave(err)
	return err
}

func (k *keeper) release(claim Claim) {
	if err := claim.Release(); err != nil {
		k.log.Warn("releasing the claim", "key", k.cfg.Key, "error", err)
	}
	faultpoint.At(faultpoint.Released)
}
