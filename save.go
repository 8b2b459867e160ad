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
	"codexauth/internal/wait"
)

func (k *keeper) commit(ctx context.Context, claim Claim, rec *record) error {
	data, err := k.cfg.encode(rec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return claim.Commit(ctx, data)
}

func (k *keeper) reload(ctx context.Context, claim Claim) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return claim.Reload(ctx)
}

// errForeign: what is stored by now is not to be replaced.
var errForeign = errors.New("somebody else has put there what can't be read")

// saving is a successor on its way into the store.
type saving struct {
	k           *keeper
	claim       Claim
	spent, next *record
	shelters    []*shelter
	rescue      []string // where next waits meanwhile
	wrote       []string // the first lines of what this holder wrote
	landed      int
}

// try makes one attempt. When it is done, rec is the record that is there: next,
// or one that somebody else made of the same or a newer login.
func (s *saving) try(ctx context.Context) (rec *record, done bool, err error) {
	k := s.k
	if noted := s.claim.Record(); len(s.wrote) == 0 && noted != nil {
		s.wrote = append(s.wrote, firstLine(noted))
	}
	if err = s.commit(ctx); err == nil {
		k.unspill(s.rescue)
		return s.next, true, nil
	}
	// The commit may have landed all the same, or somebody was here.
	if data, err := k.reload(ctx, s.claim); err == nil {
		done, rec, err := s.reconcile(ctx, data)
		if done && rec == s.next {
			s.landed++ // but perhaps not durably: the same once more tells
		}
		if errors.Is(err, errForeign) {
			s.spill()
			return nil, true, s.notSaved(err)
		}
		if done && (rec != s.next || s.landed == 3) {
			k.unspill(s.rescue)
			return rec, true, err
		}
	}
	k.log.Warn("the store does not take the new credential", "key", k.cfg.Key, "error", err)
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
	if data == nil {
		return false, nil, nil // gone is no sign-out: a volume may be unmounted
	}
	cur, err := k.cfg.decode(data)
	switch {
	case errors.Is(err, ErrDamaged) && slices.Contains(s.wrote, firstLine(data)):
		return false, nil, nil
	case err != nil:
		return true, nil, fmt.Errorf("%w: %w", errForeign, err)
	case cur.Login == next.Login && cur.SignedOut != nil:
		k.revokeLate(ctx, next)
		return true, nil, k.signedOut()
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
	endpoints, err := k.discoverFor(ctx, next)
	if err == nil {
		err = k.oauthClient(endpoints).Revoke(ctx, next.Credential.RefreshToken)
	}
	if err != nil {
		k.log.Warn("revoking a login that was signed out in mid-refresh", "key", k.cfg.Key, "error", err)
	}
}
