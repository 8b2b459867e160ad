package codexauth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"codexauth/internal/oauth"
)

// Usage is how much of an account's rate limits is used, as the backend tells it.
type Usage struct {
	Plan         string // empty if it was not said
	Allowed      bool   // a request would be let through now
	LimitReached bool
	Windows      []UsageWindow // the short one first; none if none was reported
	// Credits are what the account can use beyond its limits.
	Credits struct {
		Reported       bool // else the rest means nothing
		Has, Unlimited bool
		Balance        string // the backend's words; empty if it was not said
	}
}

// UsageWindow is one rate limit: so much within such a time.
type UsageWindow struct {
	Name        string        // "primary" or "secondary"
	UsedPercent float64       // 0 to 100, or more
	Length      time.Duration // 0 if it was not said
	ResetAt     time.Time     // by the local clock; zero if it was not said
}

// usageTimeout bounds one question for the usage.
const usageTimeout = 20 * time.Second

// Usage asks the backend how much of the account's limits is used. It sends one
// signed GET to the provider's UsageURL, through base (nil means
// http.DefaultTransport), and follows no redirect. Like every use of the login it
// refreshes a token that has expired.
//
// An error matches what [Manager.Token] returns, or is an [*Error] whose Op is
// "usage": [ErrTransient] passes, [ErrRequest] (a 401 or 403) says that the
// backend does not accept the token, and nothing about the stored login.
func (m *Manager) Usage(ctx context.Context, base http.RoundTripper) (*Usage, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	ctx, cancel := context.WithTimeout(ctx, usageTimeout)
	defer cancel()
	// A token first: why there is none is another question than what the backend
	// says, and keeps its own error.
	if _, err := m.Token(ctx); err != nil {
		return nil, err
	}
	hc := &http.Client{Transport: &transport{m: m, base: base, check: m.provider.checkUsage}}
	u, err := oauth.FetchUsage(ctx, hc, m.provider.UsageURL, m.cfg.UserAgent)
	if err != nil {
		return nil, public(err)
	}
	usage := &Usage{Plan: u.Plan, Allowed: u.Allowed, LimitReached: u.LimitReached}
	if c := u.Credits; c != nil {
		usage.Credits.Reported, usage.Credits.Has, usage.Credits.Unlimited, usage.Credits.Balance = true, c.Has, c.Unlimited, c.Balance
	}
	for _, w := range u.Windows {
		usage.Windows = append(usage.Windows, UsageWindow(w))
	}
	return usage, nil
}

// checkUsage accepts the one URL that the usage is asked at.
func (p Provider) checkUsage(u *url.URL) error {
	if u.String() != p.UsageURL {
		return fmt.Errorf("%w: it is not %s", ErrNotBackend, p.UsageURL)
	}
	return nil
}

// completeUsage fills in UsageURL, or says why the token must not be sent there:
// it is for the backend's origin.
func (p *Provider) completeUsage() error {
	if p.UsageURL == "" {
		p.UsageURL = oauth.UsageURL(p.BackendURL)
	}
	if err := oauth.CheckIssuer(p.UsageURL); err != nil {
		return fmt.Errorf("the usage URL: %w", err)
	}
	u, _ := url.Parse(p.UsageURL)
	backend, _ := url.Parse(p.BackendURL)
	path := u.EscapedPath()
	switch {
	case u.Scheme != backend.Scheme || !strings.EqualFold(u.Host, backend.Host):
		return fmt.Errorf("%w: the usage URL %q is at another origin than the backend", ErrIssuer, p.UsageURL)
	case unclear(path):
		return fmt.Errorf("%w: the usage URL %q has an escaped or dotted path", ErrIssuer, p.UsageURL)
	}
	p.UsageURL = u.String() // as checkUsage sees it
	return nil
}
