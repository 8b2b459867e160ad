package codexauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"sync/atomic"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/oauth"
	"codexauth/internal/wait"
)

// How one login is kept alive by many. A refresh token can be spent once, so:
//
//  1. look first: somebody may have rotated already, and nothing is sent;
//  2. claim the record, read it under the claim, and look again;
//  3. commit a note that a refresh is on its way: whoever comes later knows that
//     the token may be spent, and it proves that the store can be written;
//  4. send the token that was read under this claim, once, and only while the
//     note is young (the fence);
//  5. save what came back before anybody uses it;
//  6. commit what was refused, so that nobody asks again, and what passes, so
//     that everybody waits.
//
// Once the token may be on its way, nothing that the caller does stops it.

const (
	// fence is how old a note may be when its request leaves. A successor waits
	// that long, and the longest request, before it takes the request for over.
	fence      = 10 * time.Second
	waitMargin = 10 * time.Second
	// commitTimeout bounds one commit, saveTimeout all attempts to save a successor.
	commitTimeout = 10 * time.Second
	saveTimeout   = 30 * time.Second
	// shortBackoff is the longest back-off that a caller without a valid token
	// is made to sit out rather than be told about.
	shortBackoff = 15 * time.Second
)

// rotate refreshes under a claim.
func (k *keeper) rotate(ctx context.Context, n need, valid bool) (*held, error) {
	patience := k.cfg.Patience
	if n.AtOnce && valid {
		patience = 0
	}
	claim, h, err := k.claimOrAdopt(ctx, n, patience)
	if h != nil {
		return h, nil
	}
	if err != nil {
		return nil, k.claimFailed(err)
	}
	faultpoint.At(faultpoint.Claimed)
	return k.undertake(claim, func(hd *holding) (*held, error) { return hd.rotate(ctx, n) })
}

// rotate refreshes under the claim that hd holds.
func (hd *holding) rotate(ctx context.Context, n need) (*held, error) {
	k := hd.k
	for range 3 {
		h, err := hd.rotateOnce(ctx, n)
		again := errors.Is(err, oauth.ErrFence) || errors.Is(err, ErrLost)
		if !again || errors.Is(err, ErrNotSaved) { // what is not saved was spent: never again
			return h, err
		}
		k.log.Debug("rotation starts again", "key", k.cfg.Key, "reason", err)
		if _, err := hd.claim.Reload(ctx); err != nil {
			return nil, err
		}
	}
	return nil, &RetryError{Err: errors.New("the store is too slow or changes too often to refresh safely; nothing was sent")}
}

// rotateOnce is one rotation of the record that the claim read last.
func (hd *holding) rotateOnce(ctx context.Context, n need) (*held, error) {
	k, claim := hd.k, hd.claim
	rec, err := k.read(claim.Record())
	if err != nil {
		return nil, err
	}
	if rec, err = k.pickUp(ctx, claim, rec, n.Force); err != nil {
		return nil, err
	}
	switch o := k.look(rec, n); {
	case o.good:
		return o.held, nil // somebody else did it
	case o.stop != nil:
		return nil, o.stop
	case o.wait > 0:
		early := backoffError(rec)
		early.unasked = true
		return nil, early
	}
	if changed, err := k.outwait(ctx, claim, rec, n.Force); err != nil {
		return nil, err
	} else if changed {
		return hd.rotateOnce(ctx, n)
	}
	endpoints, err := k.discoverFor(ctx, rec) // before the note: it may take its time
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ErrClosed
	}
	return hd.spend(context.WithoutCancel(ctx), rec, endpoints, n)
}

// spend commits the note, sends the refresh token and settles what comes back.
// Whatever the save of the answer needs is taken before anything is sent.
func (hd *holding) spend(ctx context.Context, rec *record, endpoints oauth.Endpoints, n need) (*held, error) {
	k, claim := hd.k, hd.claim
	start := k.boot()
	if err := hd.prepare(ctx, rec); err != nil {
		return nil, notWritable(err)
	}
	noted := *rec
	noted.Note = newNote(rand.Text(), rec.fingerprint(), time.Now())
	alive := k.witness()
	defer alive.Remove()
	noted.Note.Witness = alive.Path
	noted.Note.Places = directories(hd.shelters)
	if err := k.commit(ctx, claim, &noted); err != nil {
		return nil, notWritable(err)
	}
	faultpoint.At(faultpoint.NoteSaved)
	var asked atomic.Bool // whether the token might leave
	never := func() bool { return !asked.Load() && k.boot()-start > fence }
	answer, err := hd.ask(ctx, &noted, never, func(request context.Context) (*oauth.Answer, error) {
		return k.oauthClient(endpoints).Refresh(request, rec.Credential.RefreshToken, func() error {
			asked.Store(true)
			if age := k.boot() - start; age > fence {
				return fmt.Errorf("the note was committed %v ago", age.Round(time.Second))
			}
			return nil
		})
	})
	if err != nil {
		return nil, k.failed(ctx, claim, rec, &noted, err)
	}
	return hd.succeeded(ctx, &noted, answer, n)
}

// outwait deals with the note of a refresh that somebody else began with this
// token. It reports whether the record changed meanwhile.
func (k *keeper) outwait(ctx context.Context, claim Claim, rec *record, force bool) (changed bool, err error) {
	n := rec.Note
	if n == nil || n.Token != rec.fingerprint() || !n.Ended.IsZero() || n.certainlyDead(k.oneMachine()) || n.ID == k.known.endedNote {
		return false, nil // nobody is waiting for an answer: one more try tells
	}
	now := k.boot()
	if k.known.noteID != n.ID {
		k.known.noteID, k.known.noteSeen = n.ID, now
	}
	k.log.Debug("a refresh may still be on its way, and is waited for", "key", k.cfg.Key, "by", n.attempt())
	over := k.known.noteSeen + fence + k.cfg.RequestTimeout + waitMargin
	for last := false; !last; {
		if n.certainlyDead(k.oneMachine()) {
			return false, nil
		}
		last = k.boot() >= over // one more look, after the wait
		if time.Now().UnixNano() < heldOf(rec).end {
			return false, &RetryError{Err: fmt.Errorf("%w: a refresh by %s may still be on its way", ErrBusy, n.attempt())}
		}
		if !last {
			if err := wait.Sleep(ctx, time.Second+mrand.N(time.Second)); err != nil {
				return false, err
			}
		}
		data, err := claim.Reload(ctx)
		if err != nil {
			return false, err
		}
		if cur, err := k.read(data); err != nil || !cur.same(rec) || cur.Note == nil || cur.Note.ID != n.ID {
			return true, nil
		}
		if next, err := k.pickUp(ctx, claim, rec, force); err != nil || next != rec {
			return true, err // the holder could not save, but it left a rescue file
		}
	}
	return false, nil
}
