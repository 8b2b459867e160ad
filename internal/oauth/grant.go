package oauth

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Grant is what a person's consent brought: an authorization code and what
// proves that it is ours, or, after a device sign-in of RFC 8628, the answer of
// the token endpoint itself. It is redeemed once, and doesn't print itself.
type Grant struct {
	Code        string
	RedirectURI string
	Verifier    string

	Granted *Granted // RFC 8628: the poll that is accepted is the exchange
}

// Granted is an answer that waits to be stored.
type Granted struct {
	answer   *Answer
	at       time.Time // when it came
	server   Endpoints
	clientID string
	taken    atomic.Bool
}

// take hands the answer out once: two holders of one refresh token would end
// its login. Nor is it handed to a client of another server, which would be
// sent that token later.
func (h *Granted) take(c *Client) (*Answer, error) {
	switch {
	case h.server.Issuer != c.Endpoints.Issuer || h.server.Token != c.Endpoints.Token || h.clientID != c.ClientID:
		return nil, &Error{Op: "exchange", Class: Invalid, Err: errors.New("this grant is another server's or another client's")}
	case h.taken.Swap(true):
		return nil, &Error{Op: "exchange", Class: Invalid, Err: errors.New("this grant was redeemed before")}
	}
	a := *h.answer
	age := time.Since(h.at)
	if a.ExpiresIn > 0 {
		a.ExpiresIn = max(a.ExpiresIn-age, time.Second)
	}
	if !a.Date.IsZero() {
		a.Date = a.Date.Add(age)
	}
	a.Held = age
	return &a, nil
}

// String shows nothing of a grant.
func (Grant) String() string { return "[redacted grant]" }

// Format prints what String returns, whatever the verb.
func (g Grant) Format(f fmt.State, _ rune) { fmt.Fprint(f, g.String()) }

// LogValue is for log/slog.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

// MarshalText keeps a grant out of JSON and every other text encoding.
func (g Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// String shows nothing of an answer.
func (*Granted) String() string { return "[redacted grant]" }

// Format prints what String returns, whatever the verb.
func (g *Granted) Format(f fmt.State, _ rune) { fmt.Fprint(f, g.String()) }

// LogValue is for log/slog.
func (g *Granted) LogValue() slog.Value { return slog.StringValue(g.String()) }

// MarshalText keeps it out of JSON and every other text encoding.
func (g *Granted) MarshalText() ([]byte, error) { return []byte(g.String()), nil }
