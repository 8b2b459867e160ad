package codexauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// A Lessor leases access tokens of a login that is kept elsewhere: a broker's
// client (package broker/client), or another Manager. A Manager whose Config has
// one holds no login and refreshes nothing, and hands out tokens all the same.
//
// Lease may be called by any number of goroutines. Its errors mean what those of
// [Manager.Token] mean: [ErrSignedOut], [ErrRefused], [ErrTransient] with the
// time in a [RetryError]. It returns soon after ctx ends; a lease that is given
// up costs nothing. A Lessor that also has the method
// Status(context.Context) (Status, error) is asked for [Manager.Status].
type Lessor interface {
	Lease(ctx context.Context, r LeaseRequest) (Lease, error)
}

// LeaseRequest says which token is wanted. The zero value takes any valid one.
type LeaseRequest struct {
	// NotSHA256 is the SHA-256, in hex, of a token that the backend refused: give
	// me another one.
	NotSHA256 string
	// MinValid is how much of its life the token should have left. It is met as
	// far as a refresh can meet it, up to half of a token's life.
	MinValid time.Duration
}

// Lease is an access token on loan. It has no refresh token.
type Lease struct {
	Token Token
	// Issuer is whose token it is; empty if the lessor does not say. A Manager for
	// another issuer refuses it: it would show the token to the wrong backend.
	Issuer string
	// From Due on another token is to be asked for, and from End on this one is no
	// good: by the local clock, whatever the issuer's says. Zero means what
	// Token.Expiry comes to.
	Due, End time.Time
}

// Lease makes a Manager a [Lessor]. If there is a newer token than the one that is
// not wanted, at hand or stored, that one is leased and nothing is refreshed. If
// there is none available, the present one is still everybody else's: one lessee's
// word does not take it away.
func (m *Manager) Lease(ctx context.Context, r LeaseRequest) (Lease, error) {
	not, err := hex.DecodeString(r.NotSHA256)
	if err != nil || len(not) != 0 && len(not) != sha256.Size {
		return Lease{}, errors.New("lease: NotSHA256 is not a SHA-256 in hex (64 digits)")
	}
	h, err := m.hold(ctx)
	if err == nil && h.hashes(not) {
		h, err = m.obtain(ctx, need{Not: h.token.AccessToken.fingerprint(), leased: true})
	}
	// A lessee's wish must not cost a refresh at every call.
	if err == nil && r.MinValid > 0 {
		if wish := min(r.MinValid, h.life/2); !(need{Fresh: true, MinValid: wish}).accepts(h) {
			h, err = m.fresh(ctx, wish)
		}
	}
	if err != nil {
		return Lease{}, err
	}
	return Lease{Token: h.token, Issuer: m.provider.Issuer, Due: time.Unix(0, h.due), End: time.Unix(0, h.end)}, nil
}

// hold is Token with all that is known of the token.
func (m *Manager) hold(ctx context.Context) (*held, error) {
	if h := m.held.Load(); h != nil && wallNow() < h.due {
		return h, nil
	}
	return m.slow(ctx)
}
