package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"codexauth/internal/cleantext"
)

// UsageURL is where a backend tells how much of the account's limits is used: a
// sibling of the API's own path. backend has no slash at its end.
func UsageURL(backend string) string {
	return strings.TrimSuffix(backend, "/codex") + "/wham/usage"
}

// Usage is how much of an account's rate limits is used, as the backend tells it.
type Usage struct {
	Plan         string // empty if it was not said
	Allowed      bool   // a request would be let through now
	LimitReached bool
	Windows      []UsageWindow // the short one first; none if it told about none
	Credits      *Credits      // nil if it told about none
}

// UsageWindow is one rate limit: so much within such a time.
type UsageWindow struct {
	Name        string        // "primary" or "secondary"
	UsedPercent float64       // 0 to 100, or more
	Length      time.Duration // 0 if it was not said
	ResetAt     time.Time     // by the local clock; zero if it was not said
}

// Credits is what the account can use beyond its limits.
type Credits struct {
	Has, Unlimited bool
	Balance        string // the backend's words; empty if it was not said
}

// FetchUsage asks for the usage through hc, which signs the request. An error is
// an *Error, or what hc itself had to say.
func FetchUsage(ctx context.Context, hc *http.Client, url, userAgent string) (*Usage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, &Error{Op: opUsage, Class: Invalid, Err: err}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	resp, body, err := roundTrip(hc, req)
	switch {
	case resp == nil:
		return nil, &Error{Op: opUsage, Err: err}
	case resp.StatusCode == http.StatusOK && err == nil:
		return parseUsage(body, time.Now())
	case resp.StatusCode == http.StatusOK:
		return nil, &Error{Op: opUsage, Status: resp.StatusCode, Err: err}
	}
	e := errorFrom(opUsage, resp, body)
	if e.Class == Unknown || e.Class == Permanent {
		// Nothing is spent by asking, and a backend's 401 says nothing about the
		// refresh token.
		e.Class = map[Class]Class{Unknown: Transient, Permanent: Invalid}[e.Class]
	}
	return nil, e
}

const opUsage = "usage"

// usageJSON is the part of the answer that is understood. All of it may be absent.
type usageJSON struct {
	Plan      string `json:"plan_type"`
	RateLimit *struct {
		Allowed      *bool       `json:"allowed"`
		LimitReached bool        `json:"limit_reached"`
		Primary      *windowJSON `json:"primary_window"`
		Secondary    *windowJSON `json:"secondary_window"`
	} `json:"rate_limit"`
	Credits *struct {
		Has       bool `json:"has_credits"`
		Unlimited bool `json:"unlimited"`
		Balance   any  `json:"balance"` // a string, and who knows
	} `json:"credits"`
}

type windowJSON struct {
	Used       float64  `json:"used_percent"`
	Length     float64  `json:"limit_window_seconds"`
	ResetAfter *float64 `json:"reset_after_seconds"`
	ResetAt    float64  `json:"reset_at"`
}

func parseUsage(body []byte, now time.Time) (*Usage, error) {
	var in usageJSON
	if err := json.Unmarshal(body, &in); err != nil { // in our own words: JSON errors quote
		return nil, &Error{Op: opUsage, Status: http.StatusOK, Err: errors.New("the answer can't be read (a gateway or a captive portal?)")}
	}
	u := &Usage{Plan: cleantext.Message(in.Plan), Allowed: true}
	if l := in.RateLimit; l != nil {
		u.LimitReached = l.LimitReached
		u.Allowed = l.Allowed == nil || *l.Allowed
		for _, w := range []struct {
			name string
			*windowJSON
		}{{"primary", l.Primary}, {"secondary", l.Secondary}} {
			if w.windowJSON != nil {
				u.Windows = append(u.Windows, w.window(w.name, now))
			}
		}
	}
	if c := in.Credits; c != nil {
		balance, _ := c.Balance.(string)
		u.Credits = &Credits{Has: c.Has, Unlimited: c.Unlimited, Balance: cleantext.Message(balance)}
	}
	return u, nil
}

func (w *windowJSON) window(name string, now time.Time) UsageWindow {
	out := UsageWindow{Name: name, UsedPercent: max(w.Used, 0), Length: span(w.Length)}
	switch {
	case w.ResetAfter != nil: // needs no clock to agree with another
		out.ResetAt = now.Add(span(*w.ResetAfter)).Round(0)
	case w.ResetAt > 0:
		out.ResetAt = time.Unix(int64(min(w.ResetAt, maxSeconds)), 0)
	}
	return out
}

const maxSeconds = 1 << 33 // 272 years: a duration holds it

func span(n float64) time.Duration {
	return time.Duration(min(max(n, 0), maxSeconds) * float64(time.Second))
}
