package codexauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/faultpoint"
	"codexauth/internal/oauth"
	"codexauth/internal/wait"
)

// succeeded settles a refresh that was answered.
func (hd *holding) succeeded(ctx context.Context, noted *record, a *oauth.Answer, n need) (*held, error) {
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
		unusable = errors.New("the new access token had expired when it arrived") // else every call would ask again
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
		k.seen.saw(rec, true) // the outcome is known all the same
	}
}

func (k *keeper) commit(ctx context.Context, claim Claim, rec *record) error {
	data, err := k.cfg.encode(rec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := claim.Commit(ctx, data); err != nil {
		k.seen.cantSave(err)
		return err
	}
	k.seen.saved(rec)
	return nil
}

func (k *keeper) reload(ctx context.Context, claim Claim) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return claim.Reload(ctx)
}

// errForeign: what is stored by now is not to be replaced.
var errForeign = errors.New("another program has put there a record that can't be read")

// saving is a successor on its way into the store.
type saving struct {
	k           *keeper
	claim       Claim
	spent, next *record
	shelters    []*shelter
	rescue      []string // where next waits meanwhile
	wrote       []string // the first lines of what this holder wrote
	landed      int
	moved       *whereabouts // where the login went meanwhile
}

// try makes one attempt. When it is done, rec is the record that is there: next,
// or one that somebody else made of the same or a newer login.
func (s *saving) try(ctx context.Context) (rec *record, done bool, err error) {
	if s.moved != nil {
		return s.follow(ctx)
	}
	k := s.k
	if noted := s.claim.Record(); len(s.wrote) == 0 && noted != nil {
		s.wrote = append(s.wrote, firstLine(noted))
	}
	if err = s.commit(ctx); err == nil {
		k.seen.saved(s.next)
		k.unspill(s.rescue)
		return s.next, true, nil
	}
	// The commit may have landed all the same, or somebody was here.
	if data, err := k.reload(ctx, s.claim); err == nil {
		done, rec, err := s.reconcile(ctx, data)
		if done && rec == s.next {
			s.landed++ // but perhaps not durably: the same once more tells
		}
		if left := (*movedError)(nil); errors.As(err, &left) {
			s.moved = &left.to
			return s.follow(ctx)
		}
		if errors.Is(err, errForeign) {
			s.spill()
			return nil, true, s.notSaved(err)
		}
		if done && (rec != s.next || s.landed == 3) {
			if rec == s.next {
				k.seen.saved(rec)
			}
			k.unspill(s.rescue)
			return rec, true, err
		}
	}
	k.log.Warn("the store does not take the new credential", "key", k.cfg.Key, "error", err)
	k.seen.cantSave(err)
	if s.landed == 0 {
		s.spill()
	}
	return nil, false, err
}

// untilEnd tries until ctx ends.
func (s *saving) untilEnd(ctx context.Context) (*record, error) {
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		rec, done, err := s.try(ctx)
		if done {
			return rec, err
		}
		if wait.Sleep(ctx, pause) != nil {
			return nil, s.notSaved(err)
		}
	}
}

func (s *saving) commit(ctx context.Context) error {
	data, err := s.k.cfg.encode(s.next)
	if err != nil {
		return err
	}
	s.wrote = append(s.wrote[:min(len(s.wrote), 8)], firstLine(data))
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return s.claim.Commit(ctx, data)
}

// spill writes the successor to rescue files, unless it is in one.
func (s *saving) spill() {
	if len(s.rescue) > 0 {
		return
	}
	var err error
	if s.rescue, err = s.k.spill(s.next, s.shelters); err != nil {
		s.k.log.Warn("a rescue file can't be written either", "key", s.k.cfg.Key, "error", err)
	}
}

func (s *saving) notSaved(err error) error {
	if len(s.rescue) == 0 {
		return fmt.Errorf("%w, and no rescue file either: only process %d still has it, and goes on trying: %w", ErrNotSaved, os.Getpid(), err)
	}
	return fmt.Errorf("%w; it waits in %s, and the next start puts it back once the store can be written: %w", ErrNotSaved, s.rescue[0], err)
}

// givenUp is notSaved where nobody tries any more: the Manager was closed.
func (s *saving) givenUp(err error) error {
	if len(s.rescue) == 0 {
		return fmt.Errorf("%w, and no rescue file either: it is lost with process %d; sign in again: %w", ErrNotSaved, os.Getpid(), err)
	}
	return s.notSaved(err)
}

// moreTelling is which of two errors to report: that of a refresh, or that of the
// look at the store afterwards. Where the new token waits is said by the first,
// unless the second does.
func moreTelling(refresh, look error) error {
	if errors.Is(refresh, ErrNotSaved) && !errors.Is(look, ErrSignedOut) {
		return refresh
	}
	return look
}

// firstLine is the first line of a record, which holds the checksum of the rest.
func firstLine(data []byte) string {
	head, _, _ := bytes.Cut(data[:min(len(data), 200)], []byte("\n"))
	return string(head)
}

func (k *keeper) unspill(rescue []string) {
	for _, path := range rescue {
		if err := atomicfile.Remove(path); err != nil {
			k.log.Warn("removing a rescue file", "file", path, "error", err)
		}
	}
}

// reconcile compares what is stored with what a holder wants to save. It is not
// done while the stored state is the one that was spent, whatever note or
// refusal stands beside it: its successor goes in. What can't be read may be
// somebody's login, from a newer version or under another key, and is not
// replaced, unless it is what this holder wrote and a disk has spoiled.
func (s *saving) reconcile(ctx context.Context, data []byte) (done bool, rec *record, err error) {
	k, next := s.k, s.next
	c := k.cfg
	c.Key = next.Key
	if data == nil {
		return false, nil, nil // gone is no sign-out: a volume may be unmounted
	}
	cur, err := c.decode(data)
	switch {
	case errors.Is(err, ErrDamaged) && slices.Contains(s.wrote, firstLine(data)):
		return false, nil, nil
	case err != nil:
		return true, nil, fmt.Errorf("%w: %w", errForeign, err)
	case cur.Login == next.Login && cur.SignedOut != nil:
		if cur.SignedOut.Moved == nil {
			k.revokeLate(ctx, next)
		}
		return true, nil, c.ended(cur)
	case cur.SignedOut != nil:
		return true, nil, k.signedOut()
	case cur.same(next):
		return true, next, nil // our commit had landed
	case cur.same(s.spent):
		return false, nil, nil
	case cur.Login == next.Login && cur.Seq < next.Seq:
		return false, nil, nil // an older state came back: ours is newer
	}
	return true, cur, nil
}

// revokeLate ends a login that was signed out while its refresh was on its way.
func (k *keeper) revokeLate(ctx context.Context, next *record) {
	if err := k.revoke(ctx, next); err != nil {
		k.log.Warn("revoking a login that was signed out in mid-refresh", "key", k.cfg.Key, "error", err)
	}
}
