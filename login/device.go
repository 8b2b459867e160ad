package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"codexauth"
	"codexauth/internal/oauth"
)

const (
	deviceLifetime = 15 * time.Minute // of a code, where the server does not say
	deviceRequest  = 15 * time.Second // the longest one request may take

	defaultInterval = 5 * time.Second // RFC 8628 §3.2
	minInterval     = time.Second
	maxInterval     = time.Minute
	slowerBy        = 5 * time.Second // RFC 8628 §3.5, slow_down
)

// Device is one sign-in on another screen: the person types a short code there.
// It follows RFC 8628 where the issuer's metadata announce that, and otherwise
// the service's own protocol. The zero Device signs in with OpenAI and tells
// nobody; Events has to be set for a person to learn the code.
type Device struct {
	Provider codexauth.Provider
	// HTTPClient is for the provider's metadata and for polling; nil is a
	// default one.
	HTTPClient *http.Client
	// Events receives what the person should know, one call at a time, and never
	// after Run has returned. It must not block. nil tells nobody.
	Events func(Event)
	// Timeout is how long to wait for the person; 0 is 15 minutes. A code that
	// ends before ends the waiting. It does not cover finish.
	Timeout time.Duration
}

// DeviceCode is what to show the person; it comes first. Anyone who types the code
// in lets this sign-in in, so it is for the person who started it alone: show
// Host, and say so.
type DeviceCode struct {
	UserCode        string
	VerificationURL string // the page to type it at
	CompleteURL     string // the same with the code in it, as for a QR code; may be empty
	Host            string // of VerificationURL, which need not be the issuer's
	ExpiresAt       time.Time
}

// Waiting comes about every second: how long the person still has.
type Waiting struct{ Left time.Duration }

// Slowed says that the server was out of reach, failed, or asked for fewer
// requests, and that the sign-in goes on.
type Slowed struct {
	Wait time.Duration // until the next request
	Err  error         // why; in our words and safe to show
}

func (DeviceCode) event() {}
func (Waiting) event()    {}
func (Slowed) event()     {}

// Run shows a code, waits until the person has typed it in and agreed, and calls
// finish with what that brought. It returns what finish returns, or an error
// that matches [ErrDenied], [ErrTimeout], [ErrDeviceNotEnabled], a
// [*codexauth.Error], or ctx's. It calls finish at most once, with ctx, starts
// no goroutine, and leaves nothing behind. What the server failed to deliver of
// an approval is lost with it: a new Run then starts a new sign-in.
func (d *Device) Run(ctx context.Context, finish func(ctx context.Context, g codexauth.Grant) error) error {
	g, err := d.grant(ctx)
	switch {
	case err == nil:
		return finish(ctx, g)
	case ctx.Err() != nil:
		return fmt.Errorf("the sign-in was cancelled: %w", context.Cause(ctx))
	}
	return err
}

func (d *Device) grant(ctx context.Context) (codexauth.Grant, error) {
	provider, err := d.Provider.Complete()
	if err != nil {
		return codexauth.Grant{}, err
	}
	client := &oauth.Client{HTTP: deviceHTTP(d.HTTPClient), ClientID: provider.ClientID, UserAgent: "codexauth"}
	code, err := start(ctx, provider, client)
	if err != nil {
		return codexauth.Grant{}, err
	}
	p := &poller{client: client, code: code, events: d.Events, interval: interval(code.Interval)}
	p.lifetime = min(cmp.Or(code.Lifetime, deviceLifetime), cmp.Or(d.Timeout, defaultTimeout))
	p.deadline = time.Now().Add(p.lifetime)
	p.emit(announce(code, p.deadline))
	return p.run(ctx)
}

// deviceHTTP keeps no connection: polls are seconds apart, and a server that
// closes an idle connection would look like one that fails.
func deviceHTTP(hc *http.Client) *http.Client {
	if hc != nil {
		return hc
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
}

// start finds the server and asks it for a code.
func start(ctx context.Context, p codexauth.Provider, c *oauth.Client) (*oauth.DeviceCode, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*deviceRequest)
	defer cancel()
	var err error
	if c.Endpoints, err = oauth.Locate(ctx, c.HTTP, p.Issuer); err != nil {
		return nil, public(err)
	}
	code, err := c.StartDevice(ctx, p.Scopes)
	return code, public(err)
}

func announce(code *oauth.DeviceCode, deadline time.Time) DeviceCode {
	e := DeviceCode{UserCode: code.UserCode, VerificationURL: code.VerificationURL,
		CompleteURL: code.CompleteURL, ExpiresAt: deadline}
	if u, err := url.Parse(code.VerificationURL); err == nil {
		e.Host = u.Host
	}
	return e
}

// interval makes what a server asked for one that is neither a busy loop nor
// longer than a person's patience.
func interval(asked time.Duration) time.Duration {
	if asked == 0 {
		return defaultInterval
	}
	return min(max(asked, minInterval), maxInterval)
}

// A poller waits for one person's decision.
type poller struct {
	client   *oauth.Client
	code     *oauth.DeviceCode
	events   func(Event)
	lifetime time.Duration
	deadline time.Time

	interval time.Duration // grows with every slow_down
	failures int           // in a row
	lost     error         // a request that may have brought the approval
	strange  error         // the last answer that was none of the service's
}

func (p *poller) emit(e Event) {
	if p.events != nil {
		p.events(e)
	}
}

func (p *poller) run(ctx context.Context) (codexauth.Grant, error) {
	for wait := p.interval; ; {
		if err := p.sleep(ctx, wait); err != nil {
			return codexauth.Grant{}, err
		}
		g, err := p.ask(ctx)
		if err == nil {
			return g, nil
		}
		if ctx.Err() != nil {
			return codexauth.Grant{}, ctx.Err()
		}
		if wait, err = p.judge(err); err != nil {
			return codexauth.Grant{}, err
		}
	}
}

func (p *poller) ask(ctx context.Context) (codexauth.Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, deviceRequest)
	defer cancel()
	g, err := p.client.PollDevice(ctx, p.code)
	return codexauth.Grant(g), err
}

// sleep waits a little longer than wait, since some clocks run fast and a poll
// that comes early is answered with slow_down.
func (p *poller) sleep(ctx context.Context, wait time.Duration) error {
	due := time.Now().Add(wait + max(wait/10, 200*time.Millisecond))
	for {
		now := time.Now()
		left := p.deadline.Sub(now)
		switch {
		case left <= 0:
			return p.timedOut()
		case !now.Before(due):
			return nil
		}
		p.emit(Waiting{Left: left})
		timer := time.NewTimer(min(time.Second, left, due.Sub(now)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

func (p *poller) timedOut() error {
	within := p.lifetime.Round(min(time.Second, p.lifetime))
	switch {
	case p.lost != nil:
		return fmt.Errorf("%w within %v; an answer of the server got lost meanwhile (%v)", ErrTimeout, within, p.lost)
	case p.strange != nil:
		return fmt.Errorf("%w within %v; what answered last: %v", ErrTimeout, within, p.strange)
	}
	return fmt.Errorf("%w within %v", ErrTimeout, within)
}

// judge says how long to wait after an answer that is no approval, or why there
// is no use in it.
func (p *poller) judge(err error) (wait time.Duration, final error) {
	e := &oauth.Error{}
	errors.As(err, &e)
	switch {
	case errors.Is(err, oauth.ErrPending):
		p.failures, p.strange = 0, nil
		return p.interval, nil
	case errors.Is(err, oauth.ErrDenied):
		return 0, newAuthorizationError(e.Code, e.Description)
	case errors.Is(err, oauth.ErrCodeExpired):
		return 0, fmt.Errorf("%w: the code has expired", ErrTimeout)
	case errors.Is(err, oauth.ErrSlowDown):
		p.failures = 0
		p.interval += slowerBy
	case errors.Is(err, codexauth.ErrUnknownOutcome):
		p.lost = err
		p.failures++
	case errors.Is(err, codexauth.ErrTransient):
		p.failures++
		p.strange = err
	case p.lost != nil && e.Code == oauth.CodeInvalidGrant:
		return 0, fmt.Errorf("the sign-in was approved, but the answer got lost (%v); sign in again", p.lost)
	default:
		return 0, public(err)
	}
	if errors.Is(err, codexauth.ErrRateLimited) {
		p.interval += slowerBy
	}
	wait = max(p.backOff(), e.RetryAfter)
	p.emit(Slowed{Wait: wait, Err: public(err)})
	return wait, nil
}

// backOff doubles the interval with each failure in a row, up to a minute
// (RFC 8628 §3.5).
func (p *poller) backOff() time.Duration {
	wait := p.interval
	for range p.failures {
		if wait *= 2; wait >= maxInterval {
			return max(maxInterval, p.interval)
		}
	}
	return wait
}
