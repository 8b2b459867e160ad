package codexauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"codexauth/internal/wait"
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

// Lease is an access token on loan. There is no refresh token to it.
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
// there is none to be had, the present one is still everybody else's: one lessee's
// word does not take it away.
func (m *Manager) Lease(ctx context.Context, r LeaseRequest) (Lease, error) {
	not, err := hex.DecodeString(r.NotSHA256)
	if err != nil || len(not) != 0 && len(not) != sha256.Size {
		return Lease{}, errors.New("lease: NotSHA256 is not a SHA-256 in hex (64 digits)")
	}
	h, err := m.hold(ctx)
	if err == nil && h.hashes(not) {
		h, err = m.obtain(ctx, Request{Not: h.token.AccessToken.fingerprint(), leased: true})
	}
	// A lessee's wish must not cost a refresh at every call.
	if err == nil && r.MinValid > 0 {
		if wish := min(r.MinValid, h.life/2); !(Request{Fresh: true, MinValid: wish}).accepts(h) {
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

// hashes reports whether sum is the SHA-256 of the token. No sum is no token's.
func (h *held) hashes(sum []byte) bool {
	if len(sum) == 0 {
		return false
	}
	own := sha256.Sum256([]byte(h.token.AccessToken.Reveal()))
	return subtle.ConstantTimeCompare(own[:], sum) == 1
}

// leasing is what a Manager with a Lessor remembers of its last attempt. Only the
// goroutine of a flight uses it.
type leasing struct {
	failures int       // in a row
	until    time.Time // no attempt before; zero if there was no failure
	err      error     // nil if a token came that could be better
}

const (
	leaseTimeout = 30 * time.Second // RequestTimeout of a Manager with a Lessor
	leasePause   = time.Second      // after the first failure, and then longer
	longestPause = 30 * time.Second
)

// leasedError is what a Manager with a Lessor can't do.
type leasedError struct{}

func (leasedError) Error() string {
	return "the login is a lessor's: sign in, sign out or move it where the broker runs"
}

func (leasedError) Unwrap() error { return errors.ErrUnsupported }

// checkLessor refuses a Config that has both a Store and a Lessor, or neither, or
// what only a Store can use.
func (c *Config) checkLessor() error {
	switch {
	case c.Store == nil && c.Lessor == nil:
		return errors.New("codexauth: Config.Store is missing")
	case c.Lessor == nil:
		return nil
	case c.Store != nil:
		return errors.New("codexauth: Config.Store and Config.Lessor exclude each other")
	case c.Sealer != nil || c.Delegate != nil || c.OnRotate != nil:
		return errors.New("codexauth: Config.Sealer, Delegate and OnRotate are for a Store, and with Config.Lessor nothing is stored")
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = leaseTimeout
	}
	return nil
}

// lease gets a token from the Lessor. It may return one that w does not accept:
// of those who share the flight, another one may.
func (m *Manager) lease(ctx context.Context, w Request) (*held, error) {
	l := &m.leasing
	present := m.held.Load()
	if w.accepts(present) {
		return present, nil
	}
	if present != nil && w.onlyRefused(present) && !w.leased && !m.doubts.worthARefresh(present) {
		return nil, &RetryError{Err: errVain}
	}
	valid := present != nil && time.Now().UnixNano() < present.end
	if left := time.Until(l.until); left > 0 && !w.Force {
		switch {
		case l.err == nil && valid && w.Not == "":
			return present, nil // a better one was asked for a moment ago
		case l.err == nil:
		case valid, !errors.Is(l.err, ErrTransient), left > min(shortBackoff, m.cfg.Patience):
			return nil, l.failure()
		default: // a broker that restarts is soon there again
			if err := wait.Sleep(ctx, left); err != nil {
				return nil, ErrClosed
			}
		}
	}
	h, err := m.askLessor(ctx, w)
	switch {
	case m.ctx.Err() != nil:
		return nil, ErrClosed
	case err != nil:
		l.failed(err)
		return nil, l.failure()
	}
	if w.Not != "" {
		h.forced = time.Now().UnixNano()
	} else if present != nil {
		h.forced = present.forced
	}
	if h = m.publish(h); w.accepts(h) {
		*l = leasing{}
	} else {
		l.failed(nil)
	}
	return h, nil
}

// askLessor asks once.
func (m *Manager) askLessor(ctx context.Context, w Request) (*held, error) {
	asking, cancel := context.WithTimeout(ctx, m.cfg.RequestTimeout)
	defer cancel()
	r := LeaseRequest{MinValid: w.MinValid}
	if w.Not != "" {
		sum, err := base64.RawURLEncoding.DecodeString(w.Not) // see fingerprint
		if err != nil {
			return nil, err
		}
		r.NotSHA256 = hex.EncodeToString(sum)
	}
	got, err := m.cfg.Lessor.Lease(asking, r)
	if asking.Err() != nil && err != nil && !errors.Is(err, ErrTransient) {
		err = &RetryError{Err: fmt.Errorf("the broker did not answer within %v", m.cfg.RequestTimeout)}
	}
	if err != nil {
		return nil, err
	}
	if err := m.checkIssuer(got.Issuer); err != nil {
		return nil, err
	}
	h, err := m.heldOfLease(got, time.Now())
	if err == nil && w.Not != "" && h.token.AccessToken.fingerprint() == w.Not {
		err = &RetryError{Err: errors.New("the broker has no other token than the one that was refused")}
	}
	return h, err
}

func (m *Manager) checkIssuer(issuer string) error {
	if issuer != "" && issuer != m.provider.Issuer {
		return fmt.Errorf("%w: the broker's login is at %s, and you asked for %s", ErrOtherLogin, issuer, m.provider.Issuer)
	}
	return nil
}

// heldOfLease makes a lease the token at hand. Each Manager asks for another one
// at its own time in the first fifth of the lessor's window, so that not all come
// at once.
func (m *Manager) heldOfLease(l Lease, now time.Time) (*held, error) {
	if l.Token.AccessToken.IsZero() {
		return nil, errors.New("the broker leased no token")
	}
	if l.End.IsZero() {
		l.End = l.Token.Expiry
	}
	life := l.End.Sub(now)
	if life <= 0 {
		return nil, &RetryError{Err: errors.New("the broker leased a token that has ended; compare its clock with this machine's")}
	}
	if l.Due.IsZero() {
		l.Due = l.End.Add(-min(5*time.Minute, life/10))
	}
	due := min(l.Due.UnixNano(), l.End.UnixNano())
	h := &held{
		due: due + int64(m.jitter*float64(l.End.UnixNano()-due)/5), end: l.End.UnixNano(), life: life, token: l.Token, seq: 1,
	}
	if l.Due.Before(now) {
		h.due = due // it is the lessor's to have a newer one soon
	}
	if old := m.held.Load(); old != nil {
		h.seq = old.seq
		if !old.token.AccessToken.Equal(h.token.AccessToken) {
			h.seq++
		}
	}
	return h, nil
}

// failed counts an attempt that brought nothing better: about 1 s, 2 s, 4 s and
// so on until the next one, or what the lessor asked for.
func (l *leasing) failed(err error) {
	pause := min(leasePause<<min(l.failures, 10), longestPause)
	l.failures++
	l.err = err
	l.until = time.Now().Add(pause/2 + rand.N(pause))
	var retry *RetryError
	if errors.As(err, &retry) && retry.At.After(l.until) {
		l.until = retry.At.Add(rand.N(time.Second))
	}
}

// failure is the last error with the time of the next attempt.
func (l *leasing) failure() error {
	var retry *RetryError
	switch {
	case errors.As(l.err, &retry):
		return &RetryError{At: l.until, Err: retry.Err}
	case errors.Is(l.err, ErrTransient):
		return &RetryError{At: l.until, Err: l.err}
	}
	return l.err
}

// pause is when the Lessor may be asked again, in Unix nanoseconds.
func (l *leasing) pause() int64 {
	if l.until.IsZero() {
		return 0
	}
	return l.until.UnixNano()
}

// leaseAnother is Refresh for a Manager with a Lessor.
func (m *Manager) leaseAnother(ctx context.Context) (Token, error) {
	h := m.held.Load()
	if h == nil {
		var err error
		if h, err = m.obtain(ctx, Request{}); err != nil {
			return Token{}, err
		}
	}
	return tokenOf(m.obtain(ctx, Request{Force: true, Seq: h.seq, Not: h.token.AccessToken.fingerprint()}))
}

// leasedStatus is Status for a Manager with a Lessor.
func (m *Manager) leasedStatus(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.RequestTimeout)
	defer cancel()
	if l, ok := m.cfg.Lessor.(interface {
		Status(context.Context) (Status, error)
	}); ok {
		s, err := l.Status(ctx)
		s.Key = m.cfg.Key
		if err == nil {
			err = m.checkIssuer(s.Issuer)
		}
		return s, err
	}
	s := Status{Key: m.cfg.Key, Issuer: m.provider.Issuer, State: StateSignedOut}
	h := m.held.Load()
	if h == nil {
		var err error
		h, err = m.obtain(ctx, Request{})
		switch {
		case errors.Is(err, ErrSignedOut):
			return s, nil
		case errors.Is(err, ErrRefused):
			s.State = StateRefused
			return s, nil
		case err != nil:
			return s, err
		}
	}
	s.State = stateOf(h, time.Now())
	s.Account, s.ExpiresAt = Account{ID: h.token.AccountID, FedRAMP: h.token.FedRAMP}, h.token.Expiry.UTC()
	return s, nil
}
