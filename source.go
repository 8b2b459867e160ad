package codexauth

import (
	"context"
	"errors"
)

// source is where a Manager's tokens come from: a login in a store (keeper) or
// another's (lessee). What only one of them can do is a method of that one alone,
// so that the Manager can't do it without having asked which it has.
type source interface {
	// get gets a token for n, by the goroutine of a flight.
	get(ctx context.Context, n need) (*held, error)
	// force is Refresh.
	force(ctx context.Context) (*held, error)
	status(ctx context.Context) (Status, error)
	// pause is when a background attempt may begin, in Unix nanoseconds; 0 is at
	// any time. It is asked after get, under the Manager's lock.
	pause() int64
}

func newSource(m *Manager) source {
	if m.cfg.Lessor != nil {
		return &lessee{Manager: m}
	}
	return &keeper{Manager: m}
}

// kept returns the stored login, or why there is none here.
func (m *Manager) kept() (*keeper, error) {
	if k, ok := m.source.(*keeper); ok {
		return k, nil
	}
	return nil, leasedError{}
}

// leasedError is what a Manager with a Lessor can't do.
type leasedError struct{}

func (leasedError) Error() string {
	return "a broker holds this login: sign in, sign out, move or inspect it where the broker runs"
}

func (leasedError) Unwrap() error { return errors.ErrUnsupported }
