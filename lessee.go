package codexauth

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"codexauth/internal/wait"
)

// lessee is the source of a Manager with a Lessor: no store, no refresh token.
type lessee struct {
	*Manager
	leasing leasing
}

// leasing is what a lessee remembers of its last attempt. Only the goroutine of a
// flight uses it.
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
	case c.Sealer != nil || c.Delegate != nil || c.OnEvent != nil:
		return errors.New("codexauth: Config.Sealer, Delegate and OnEvent are for a Store, and with Config.Lessor nothing is stored")
	}
	if c.RequestTimeout <= 0 {
		c.RequestTimeout = leaseTimeout
	}
	return nil
}

// get gets a token from the Lessor. It may return one that n does not accept:
// of those who share the flight, another one may.
func (l *lessee) get(ctx context.Context, n need) (*held, error) {
	present := l.held.Load()
	if n.accepts(present) {
		return present, nil
	}
	if present != nil && n.onlyRefused(present) && !n.leased && !l.rejections.worthARefresh(present) {
		return nil, &RetryError{Err: errVain}
	}
	valid := present != nil && time.Now().UnixNano() < present.end
	if left := time.Until(l.leasing.until); left > 0 && !n.Force {
		switch {
		case l.leasing.err == nil && valid && n.Not == "":
			return present, nil // a better one was asked for a moment ago
		case l.leasing.err == nil:
		case valid, !errors.Is(l.leasing.err, ErrTransient), left > min(shortBackoff, l.cfg.Patience):
			return nil, l.leasing.failure()
		default: // a broker that restarts is soon there again
			if err := wait.Sleep(ctx, left); err != nil {
				return nil, ErrClosed
			}
		}
	}
	h, err := l.askLessor(ctx, n)
	switch {
	case l.ctx.Err() != nil:
		return nil, ErrClosed
	case err != nil:
		l.leasing.failed(err)
		return nil, l.leasing.failure()
	}
	if n.Not != "" {
		h.forced = time.Now().UnixNano()
	} else if present != nil {
		h.forced = present.forced
	}
	if h = l.publish(h); n.accepts(h) {
		l.leasing = leasing{}
	} else {
		l.leasing.failed(nil)
	}
	return h, nil
}

// askLessor asks once.
func (l *lessee) askLessor(ctx context.Context, n need) (*held, error) {
	asking, cancel := context.WithTimeout(ctx, l.cfg.RequestTimeout)
	defer cancel()
	r := LeaseRequest{MinValid: n.MinValid}
	if n.Not != "" {
		sum, err := base64.RawURLEncoding.DecodeString(n.Not) // see fingerprint
		if err != nil {
			return nil, err
		}
		r.NotSHA256 = hex.EncodeToString(sum)
	}
	got, err := l.cfg.Lessor.Lease(asking, r)
	if asking.Err() != nil && err != nil && !errors.Is(err, ErrTransient) {
		err = &RetryError{Err: fmt.Errorf("the broker did not answer within %v", l.cfg.RequestTimeout)}
	}
	if err != nil {
		return nil, err
	}
	if err := l.checkIssuer(got.Issuer); err != nil {
		return nil, err
	}
	h, err := l.heldOfLease(got, time.Now())
	if err == nil && n.Not != "" && h.token.AccessToken.fingerprint() == n.Not {
		err = &RetryError{Err: errors.New("the broker has no token but the one that was refused")}
	}
	return h, err
}

func (l *lessee) checkIssuer(issuer string) error {
	if issuer != "" && issuer != l.provider.Issuer {
		return fmt.Errorf("%w: the broker's login is at %s, and you asked for %s", ErrOtherLogin, issuer, l.provider.Issuer)
	}
	return nil
}

// heldOfLease makes a lease the token at hand. Each Manager asks for another one
// at its own time in the first fifth of the lessor's window, so that not all come
// at once.
func (l *lessee) heldOfLease(got Lease, now time.Time) (*held, error) {
	if got.Token.AccessToken.IsZero() {
		return nil, errors.New("the broker leased no token")
	}
	if got.End.IsZero() {
		got.End = got.Token.Expiry
	}
	life := got.End.Sub(now)
	if life <= 0 {
		return nil, &RetryError{Err: errors.New("the broker leased a token that has expired; compare its clock with this machine's")}
	}
	if got.Due.IsZero() {
		got.Due = got.End.Add(-min(5*time.Minute, life/10))
	}
	due := min(got.Due.UnixNano(), got.End.UnixNano())
	h := &held{
		due: due + int64(l.jitter*float64(got.End.UnixNano()-due)/5), end: got.End.UnixNano(), life: life, token: got.Token, seq: 1,
	}
	if got.Due.Before(now) {
		h.due = due // it is the lessor's to have a newer one soon
	}
	if old := l.held.Load(); old != nil {
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

// pause is when the Lessor may be asked again.
func (l *lessee) pause() int64 {
	if l.leasing.until.IsZero() {
		return 0
	}
	return l.leasing.until.UnixNano()
}

// force asks for another token than the one at hand.
func (l *lessee) force(ctx context.Context) (*held, error) {
	h := l.held.Load()
	if h == nil {
		var err error
		if h, err = l.obtain(ctx, need{}); err != nil {
			return nil, err
		}
	}
	return l.obtain(ctx, need{Force: true, Seq: h.seq, Not: h.token.AccessToken.fingerprint()})
}

// status is what the lessor says of the login, or what its token does.
func (l *lessee) status(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.RequestTimeout)
	defer cancel()
	if teller, ok := l.cfg.Lessor.(interface {
		Status(context.Context) (Status, error)
	}); ok {
		s, err := teller.Status(ctx)
		s.Key = l.cfg.Key
		if err == nil {
			err = l.checkIssuer(s.Issuer)
		}
		return s, err
	}
	s := Status{Key: l.cfg.Key, Issuer: l.provider.Issuer, State: StateSignedOut}
	h := l.held.Load()
	if h == nil {
		var err error
		h, err = l.obtain(ctx, need{})
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
