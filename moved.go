package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// whereabouts is where a login lives on that was signed out here because it went there. A
// reader that does not know it finds a sign-out.
type whereabouts struct {
	Key   string `json:"key"`             // that it has there
	Store string `json:"store,omitempty"` // which one, for people; empty is this one

	unknown unknown
}

// movedTo is gone for a login that lives on elsewhere.
func (r *record) movedTo(to whereabouts, now time.Time) *record {
	t := r.gone(now)
	t.SignedOut.Moved = &to
	return t
}

// String names the place for people.
func (m whereabouts) String() string {
	if m.Store != "" {
		return m.Store
	}
	return fmt.Sprintf("the profile %q", m.Key)
}

// text is String; "" for a sign-out.
func (m *whereabouts) text() string {
	if m == nil {
		return ""
	}
	return m.String()
}

// movedError is ErrSignedOut for a login that lives on elsewhere.
type movedError struct {
	key string
	to  whereabouts
}

func (e *movedError) Error() string {
	return fmt.Sprintf("profile %q: %v here: the login was moved to %s", e.key, ErrSignedOut, e.to)
}

func (e *movedError) Is(target error) bool { return target == ErrSignedOut }

// MovedTo is the profile that the login has now, and its store where that is another.
func (e *movedError) MovedTo() (key, store string) { return e.to.Key, e.to.Store }

// ended is why nobody is signed in where rec, a tombstone, is stored.
func (c *Config) ended(rec *record) error {
	if to := rec.SignedOut.Moved; to != nil {
		return &movedError{c.Key, *to}
	}
	if rec.Arriving != nil {
		return &arrivingError{c.Key}
	}
	return fmt.Errorf("profile %q: %w", c.Key, ErrSignedOut)
}

// follow saves a successor that came after its login was moved: under its new key; or,
// where it went to another store, in a rescue file, which the next rotation of that
// store on this machine picks up. The tombstone at the old place stays as it is.
func (s *saving) follow(ctx context.Context) (rec *record, done bool, err error) {
	left := &movedError{s.k.cfg.Key, *s.moved}
	if s.moved.Store != "" {
		s.spill()
		return nil, len(s.rescue) > 0, s.notSaved(left)
	}
	s.rename(s.moved.Key)
	if err := s.saveThere(ctx); err != nil {
		s.k.log.Warn("a login was moved in mid-refresh, and its new place does not take the new credential", "key", s.k.cfg.Key, "moved_to", s.moved.Key, "error", err)
		s.spill()
		return nil, false, err
	}
	s.k.unspill(s.rescue)
	return nil, true, left
}

// rename gives the successor the key under which its login is stored now. A rescue
// file of the old name is replaced: nobody would look for it.
func (s *saving) rename(key string) {
	if s.next.Key == key {
		return
	}
	next := *s.next
	next.Key = key
	s.next = &next
	if before := s.rescue; len(before) > 0 {
		s.rescue = nil
		if s.spill(); len(s.rescue) > 0 {
			s.k.unspill(before)
		}
	}
}

// saveThere is one attempt to save the successor under its new key. An error means
// that it is not there yet.
func (s *saving) saveThere(ctx context.Context) error {
	claiming, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	claim, err := s.k.cfg.Store.Claim(claiming, s.next.Key)
	if err != nil {
		return err
	}
	defer s.k.release(claim)
	there := &saving{k: s.k, claim: claim, spent: s.spent, next: s.next}
	done, rec, err := there.reconcile(ctx, claim.Record())
	var again *movedError
	switch {
	case errors.As(err, &again): // the next attempt goes on from there
		s.moved = &again.to
		return err
	case errors.Is(err, errForeign):
		return err
	case done && rec != s.next: // overtaken, or signed out there, and revoked
		return nil
	case claim.Record() == nil:
		return fmt.Errorf("%w: its record is not there", ErrNotFound)
	}
	return there.commit(ctx)
}
