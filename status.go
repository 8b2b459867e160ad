package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State is what a stored login is good for.
type State string

// The states of a login.
const (
	StateValid     State = "valid"      // the access token can be used
	StateDue       State = "due"        // it can be used, and is about to be refreshed
	StateExpired   State = "expired"    // it needs a refresh first
	StateSignedOut State = "signed_out" // there is none
	StateRefused   State = "refused"    // the server no longer accepts it: sign in again
)

// Status is what the store knows of a login, without asking anybody.
type Status struct {
	Key         string
	State       State
	Issuer      string
	ClientID    string
	Account     Account
	Scopes      []string
	Sealed      bool      // the record is encrypted
	ExpiresAt   time.Time // zero if signed out
	LastRefresh time.Time
	LastRefusal *Refusal // of the present refresh token
	// Pending is a refresh that was begun and whose outcome nobody has saved:
	// it is on its way, or it was cut off.
	Pending *Attempt
	// RetryAt is when the server may be asked again after a failure that passes,
	// and Failure what it was; zero and nil if there was none.
	RetryAt time.Time
	Failure error
}

// Status reads the login's state from the store. It needs no network. Where
// nobody is signed in, or another issuer's login is stored, State is
// [StateSignedOut] or the error says so.
func (m *Manager) Status(ctx context.Context) (Status, error) {
	s := Status{Key: m.cfg.Key, Issuer: m.provider.Issuer, ClientID: m.provider.ClientID, State: StateSignedOut}
	data, err := m.loadBytes(ctx)
	if err != nil {
		return s, err
	}
	s.Sealed = Sealed(data)
	rec, err := m.read(data)
	if errors.Is(err, ErrSignedOut) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	c := rec.credential()
	s.Account, s.Scopes = c.Account, c.Scopes
	s.ExpiresAt, s.LastRefresh = c.Expiry.UTC(), c.LastRefresh.UTC()
	s.State = stateOf(m.heldOf(rec), time.Now())
	if rec.Note != nil {
		s.Pending = rec.Note.attempt()
	}
	if m.backoffLeft(rec, Request{}) > 0 {
		retry := m.backoffError(rec).(*RetryError)
		s.RetryAt, s.Failure = retry.At, retry.Err
	}
	if f := rec.refused(); f != nil {
		s.State = StateRefused
		r := f.refusal()
		s.LastRefusal = &r
	}
	return s, nil
}

func stateOf(h *held, now time.Time) State {
	switch n := now.UnixNano(); {
	case n >= h.end:
		return StateExpired
	case n >= h.due:
		return StateDue
	}
	return StateValid
}

// String is one line about the login, without a secret.
func (s Status) String() string {
	if s.State == StateSignedOut {
		return fmt.Sprintf("%s: %s", s.Key, s.State)
	}
	return fmt.Sprintf("%s: %s, account %s at %s, until %s", s.Key, s.State, s.Account.ID, s.Issuer, s.ExpiresAt.Format(time.RFC3339))
}
