package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/frame"
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
	Key      string
	State    State
	Issuer   string
	ClientID string
	Account  Account
	Scopes   []string
	// MovedTo says, where nobody is signed in any more, where the login went that was
	// here: to another profile or another store. It is a text for people.
	MovedTo     string
	Sealed      bool      // the record is encrypted
	ExpiresAt   time.Time // zero if signed out
	DueAt       time.Time // from when on a request brings a refresh, by the local clock; zero if signed out, and from a Lessor
	LastRefresh time.Time
	SignedIn    time.Time     // when the person did; zero where that is not known
	LastRefusal *RefusedError // of the present refresh token
	// Pending is a refresh that was begun and whose outcome nobody has saved:
	// it is on its way, or it was cut off.
	Pending *Attempt
	// Abandoned: nobody waits for Pending's answer any more. Its process has
	// certainly ended, or has given up itself.
	Abandoned bool
	// RetryAt is when the server may be asked again after a failure that passes,
	// and Failure what it was; zero and nil if there was none.
	RetryAt time.Time
	Failure error
	// Rescued is the path of a rescue file: of a later state of this login, which the
	// next refresh puts back, or, where nothing is stored, of a login that waits for
	// its store, which was moved or is not mounted.
	Rescued string
	// Skew is how far the issuer's clock is ahead of this machine's, as its last
	// answer taught; 0 for less than twenty seconds.
	Skew time.Duration
}

// Status reads the login's state from the store. It needs no network, unless a
// Lessor has to be asked, and causes no refresh. Where nobody is signed in State
// is [StateSignedOut]; another issuer's login is [ErrOtherLogin].
func (m *Manager) Status(ctx context.Context) (Status, error) { return m.source.status(ctx) }

func (k *keeper) status(ctx context.Context) (Status, error) {
	s := Status{Key: k.cfg.Key, Issuer: k.provider.Issuer, ClientID: k.provider.ClientID, State: StateSignedOut}
	data, err := k.loadBytes(ctx)
	if err != nil {
		return s, err
	}
	s.Sealed = frame.Sealed(data)
	rec, err := k.read(data)
	if away := (*awayError)(nil); errors.As(err, &away) {
		s.Rescued = away.path
	}
	if left := (*movedError)(nil); errors.As(err, &left) {
		s.MovedTo = left.to.String()
	}
	if errors.Is(err, ErrSignedOut) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	s.Rescued = k.waiting(rec)
	return rec.status(s), nil
}

// status fills s with what a record of a login says.
func (r *record) status(s Status) Status {
	c := r.credential()
	s.Account, s.Scopes = c.Account, c.Scopes
	s.ExpiresAt, s.LastRefresh = c.Expiry.UTC(), c.LastRefresh.UTC()
	s.Skew, s.SignedIn = r.skew(), r.SignedIn
	h := heldOf(r)
	s.State, s.DueAt = stateOf(h, time.Now()), time.Unix(0, h.due).UTC()
	if r.Note != nil {
		s.Pending = r.Note.attempt()
		s.Abandoned = !r.Note.Ended.IsZero() || r.Note.certainlyDead(true)
	}
	if backoffLeft(r, need{}) > 0 {
		retry := backoffError(r)
		s.RetryAt, s.Failure = retry.At, retry.Err
	}
	if f := r.refused(); f != nil {
		s.State = StateRefused
		s.LastRefusal = f.err()
	}
	return s
}

// String is one line about the login, without a secret.
func (s Status) String() string {
	if s.State == StateSignedOut {
		return fmt.Sprintf("%s: %s", s.Key, s.State)
	}
	return fmt.Sprintf("%s: %s, account %s at %s, until %s", s.Key, s.State, s.Account.ID, s.Issuer, s.ExpiresAt.Format(time.RFC3339))
}
