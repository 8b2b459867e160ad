package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/oauth"
)

// succeeded settles a refresh that was answered.
func (hd *holding) succeeded(ctx context.Context, noted *record, a *oauth.Answer, n Need) (*held, error) {
	k := hd.k
	now := time.Now()
	credential, taught, unusable := noted.credential().successor(a, now.Add(noted.skew()))
	next := noted.with(credential)
	if a.Torn != nil && a.RefreshToken == "" {
		// The successor may have been in the part that is lost. The access token is
		// good; the next refresh tells, and its report must be able to say why.
		ended := *noted.Note
		ended.Ended = now.UTC()
		next.Note = &ended
	}
	k.rememberEndpoints(next, now)
	next.learnSkew(taught, noted.Note.Since, now)
	if n.Not != "" {
		next.ForcedAt = now.UTC()
	}
	next.UnmetMS = 0
	if n.MinValid > credential.Expiry.Sub(credential.LastRefresh) {
		next.UnmetMS = n.MinValid.Milliseconds()
	}
	if unusable == nil && !credential.Expiry.After(credential.LastRefresh) {
		unusable = errors.New("the new access token had ended when it came") // else every call would ask again
	}
	if unusable != nil {
		next.Backoff = noted.Backoff // the second such answer is waited for longer
		backOff(next, &oauth.Error{Op: "refresh", Class: oauth.Transient, Status: 200, Err: unusable}, now)
	}
	saved, err := hd.save(ctx, noted, next)
	if err != nil {
		return nil, err
	}
	faultpoint.At(faultpoint.SuccessorSaved)
	h := k.publish(heldOf(saved))
	faultpoint.At(faultpoint.Published)
	if saved != next {
		return h, nil
	}
	k.log.Debug("rotated", "key", k.cfg.Key, "seq", next.Seq, "expiry", credential.Expiry)
	if k.cfg.OnRotate != nil {
		k.cfg.OnRotate(Rotation{Key: k.cfg.Key, AccountID: credential.Account.ID, Seq: next.Seq, Expiry: credential.Expiry})
	}
	if unusable != nil {
		return nil, &RetryError{Err: unusable}
	}
	return h, nil
}

// failed settles a refresh that brought no answer that can be used. before is
// the record without our note, noted the one with it.
func (k *keeper) failed(ctx context.Context, claim Claim, before, noted *record, err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return err
	}
	if errors.Is(err, oauth.ErrFence) {
		k.settle(ctx, claim, before)
		return err
	}
	k.known.endedNote = noted.Note.ID
	now := time.Now()
	next := *before
	next.learnSkew(e.Date, noted.Note.Since, now)
	if moved(e) {
		next.Endpoints = nil
		k.forgetEndpoints()
	}
	if next.doubts(e, now) {
		e.Class = oauth.Permanent
	}
	switch e.Class {
	case oauth.Permanent:
		return k.refused(ctx, claim, &next, e, now)
	case oauth.Unknown:
		// The oldest note stays: its answer is the one most likely lost.
		n := noted.Note
		if before.Note != nil && before.Note.Token == n.Token {
			n = before.Note
		}
		ended := *n
		ended.Ended = now.UTC()
		next.Note = &ended
		if e.Spent {
			k.mu.Lock()
			k.known.spent = before.fingerprint()
			k.mu.Unlock()
		}
	}
	if e.Status == 0 && e.Class == oauth.Transient {
		k.settle(ctx, claim, &next) // nobody was reached: others may try
		return &RetryError{Err: public(e)}
	}
	backOff(&next, e, now)
	k.settle(ctx, claim, &next)
	return backoffError(&next)
}

// refused handles a permanent refusal. Before it is believed the record is read
// again: somebody may have saved the successor of the token just refused.
func (k *keeper) refused(ctx context.Context, claim Claim, next *record, e *oauth.Error, now time.Time) error {
	if data, err := k.reload(ctx, claim); err == nil {
		if cur, err := k.read(data); err != nil || !cur.same(next) {
			return fmt.Errorf("%w: %w", ErrLost, public(e))
		}
	}
	f := &refusalNote{Token: next.fingerprint(), Code: e.Code, Description: e.Description, Status: e.Status, At: now.UTC()}
	if next.Note != nil && next.Note.Token == f.Token {
		f.CutOff = next.Note
	} else if next.Refusal != nil && next.Refusal.Token == f.Token {
		f.CutOff = next.Refusal.CutOff
	}
	next.Refusal, next.Note, next.Backoff, next.Doubt = f, nil, nil, nil
	k.settle(ctx, claim, next)
	return f.err()
}

// settle commits what a failed attempt taught. If that fails, the next attempt
// finds the note and is careful.
func (k *keeper) settle(ctx context.Context, claim Claim, rec *record) {
	if err := k.commit(ctx, claim, rec); err != nil {
		k.log.Warn("saving the outcome of a failed refresh", "key", k.cfg.Key, "error", err)
	}
}
