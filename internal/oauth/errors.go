package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"codexauth/internal/cleantext"
)

// Class says what a failed request means for the token that it carried.
type Class int

const (
	// Transient: nothing was spent; the same request may be sent again later.
	Transient Class = iota
	// Unknown: the token may have been spent; the answer is lost.
	Unknown
	// Permanent: the server will never accept this token again.
	Permanent
	// Invalid: the server did not accept the request as such (its parameters,
	// the client, the account). It says nothing about the token.
	Invalid
)

func (c Class) String() string {
	names := [...]string{"transient", "unknown", "permanent", "invalid"}
	if c < 0 || int(c) >= len(names) { // of a record that a newer version wrote
		return "failed"
	}
	return names[c]
}

// Err is the sentinel of a class; nil for one that only a newer version knows.
func (c Class) Err() error {
	kinds := [...]error{ErrTransient, ErrUnknown, ErrPermanent, ErrInvalid}
	if c < 0 || int(c) >= len(kinds) {
		return nil
	}
	return kinds[c]
}

// Sentinels that an *Error matches with errors.Is.
var (
	ErrTransient   = errors.New("temporary failure")
	ErrUnknown     = errors.New("outcome unknown")
	ErrPermanent   = errors.New("login no longer accepted")
	ErrInvalid     = errors.New("request not accepted")
	ErrRateLimited = errors.New("rate limited")
	// ErrFence: the gate of a Refresh closed before anything was sent.
	ErrFence = errors.New("request withdrawn before it was sent")

	// Answers to a poll for a device code (RFC 8628 §3.5).
	ErrPending     = errors.New("nobody has decided yet")
	ErrSlowDown    = errors.New("polled too often")
	ErrDenied      = errors.New("access denied")
	ErrCodeExpired = errors.New("device code expired")
)

// Error is a failed request to an authorization server. It never holds a body,
// a header or a token.
type Error struct {
	Op          string        // "refresh", "exchange", "revoke", "discovery", "device sign-in"
	Class       Class         // what it means for the token
	Status      int           // HTTP status; 0 if there was no answer
	Code        string        // the server's error code in lower case, if it gave one
	Description string        // the server's words, made safe to show
	RetryAfter  time.Duration // how long the server asked to wait; 0 if it did not
	Date        time.Time     // the server's clock when it answered; zero if unknown
	// Unclear is true where the code is none that is known, so that nobody can say
	// whether it is a verdict on the token. The class is Transient.
	Unclear bool
	// Spent is true where the server accepted the token (a 2xx) and its answer
	// could not be read.
	Spent bool
	Err   error // the cause, if there was no answer or it could not be read
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	switch {
	case e.Status == 0:
		b.WriteString(": no answer")
	case e.Err != nil:
		fmt.Fprintf(&b, ": answer %d", e.Status)
	default:
		fmt.Fprintf(&b, ": the server answered %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Description != "" {
		fmt.Fprintf(&b, " (%s)", e.Description)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Is matches the sentinels of this package by class, code and status.
func (e *Error) Is(target error) bool {
	switch target {
	case e.Class.Err():
		return true
	case ErrRateLimited:
		return e.Status == http.StatusTooManyRequests
	case ErrPending:
		return e.isPollAnswer(codePending)
	case ErrSlowDown:
		return e.isPollAnswer(codeSlowDown)
	case ErrDenied:
		return e.isPollAnswer(codeDenied)
	case ErrCodeExpired:
		return e.isPollAnswer(codeCodeExpired)
	}
	return false
}

func (e *Error) isPollAnswer(code string) bool {
	return (e.Status/100 == 4 || e.Status == http.StatusOK) && e.Code == code
}

// errorFrom makes an Error of an answer that is not a 2xx. The class is that of
// a request that carried a refresh token.
func errorFrom(op string, resp *http.Response, body []byte) *Error {
	e := &Error{
		Op:         op,
		Status:     resp.StatusCode,
		RetryAfter: retryAfter(resp.Header, time.Now()),
	}
	isJSON := e.readBody(body)
	if e.Code != "" { // only the authorization server teaches the clock
		e.Date = serverDate(resp.Header)
	}
	e.Class, e.Unclear = classify(resp.StatusCode, e.Code, isJSON)
	if op != "refresh" && isJSON && resp.StatusCode == http.StatusUnauthorized && e.Class == Transient && !passes(e.Code) {
		e.Class, e.Unclear = Invalid, false // nothing to condemn, and asking again is of no use
	}
	if resp.StatusCode/100 == 3 {
		e.Description = "a redirect, which is never followed with a token"
	} else if !isJSON {
		e.Description = "not an answer of the authorization server: a gateway or a captive portal"
	}
	return e
}

// readBody takes code and description from a JSON error: the code stands in
// error.code, in a string error (RFC 6749 §5.2), or in code.
func (e *Error) readBody(body []byte) (isJSON bool) {
	top, err := objectFields(body)
	if err != nil {
		return false
	}
	return e.readFields(top)
}

func (e *Error) readFields(top map[string]any) (isJSON bool) {
	code, desc := text(top["code"]), text(top["error_description"])
	if desc == "" {
		desc = text(top["message"])
	}
	found := code != ""
	switch v := top["error"].(type) {
	case string:
		code, found = v, true
	case map[string]any:
		found = true
		if c := text(v["code"]); c != "" {
			code = c
		} else if code == "" {
			code = text(v["type"])
		}
		if m := text(v["message"]); m != "" {
			desc = m
		}
	}
	e.Code = shownCode(code)
	e.Description = cleantext.Message(desc)
	return found || text(top["detail"]) != "" || desc != ""
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// retryAfter reads RFC 9110 §10.2.3 in both its forms, bounded to an hour.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	var d time.Duration
	if secs, err := strconv.ParseUint(v, 10, 31); err == nil {
		d = time.Duration(secs) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		if date := serverDate(h); !date.IsZero() {
			now = date
		}
		d = at.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}

// serverDate is the clock of whoever answered. A Date beside an Age is of the
// time when a cache stored the answer (RFC 9111 §5.1).
func serverDate(h http.Header) time.Time {
	if h.Get("Age") != "" {
		return time.Time{}
	}
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}
