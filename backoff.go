package codexauth

import (
	"math/rand/v2"
	"time"

	"codexauth/internal/oauth"
)

// backOff makes everybody who shares the record wait after a failure that
// passes: about 12 s, 30 s, 75 s, up to five minutes; the first time as long as
// the server asked, and later no shorter than that. So a failing server sees at
// most three requests in the first minute.
func backOff(rec *record, e *oauth.Error, now time.Time) {
	b := &backoff{Attempts: 1, Class: e.Class, Status: e.Status, Code: e.Code, Description: e.Description}
	if e.Err != nil && b.Description == "" {
		b.Description = e.Err.Error()
	}
	if rec.Backoff != nil {
		b.Attempts = rec.Backoff.Attempts + 1
	}
	wait := 12 * time.Second
	for range min(b.Attempts, 6) - 1 {
		wait = wait * 5 / 2
	}
	wait = min(wait, 5*time.Minute)
	wait += rand.N(wait / 5)
	if b.Limited = e.RetryAfter > 0; b.Limited {
		asked := e.RetryAfter + rand.N(time.Second)
		if b.Attempts > 1 { // a server that names a time again and again is not asked more often
			asked = max(asked, wait)
		}
		wait = asked
	}
	wait = wait.Truncate(time.Millisecond)
	b.Until = now.Add(wait + rec.skew()).UTC()
	b.WaitMS = wait.Milliseconds()
	rec.Backoff = b
}

// backoffLeft is how long nobody should ask. A person who explicitly asks for a
// refresh is let through, unless the server named a time.
func backoffLeft(rec *record, n need) time.Duration {
	b := rec.Backoff
	if b == nil || n.Force && !b.Limited {
		return 0
	}
	left := b.Until.Sub(time.Now().Add(rec.skew()))
	// A clock that was set back must not prolong it.
	return min(left, time.Duration(b.WaitMS)*time.Millisecond)
}

func backoffError(rec *record) *RetryError {
	b := rec.Backoff
	return &RetryError{
		At:  time.Now().Add(backoffLeft(rec, need{})),
		Err: &Error{Op: "refresh", Kind: b.Class.Err(), Status: b.Status, Code: b.Code, Description: b.Description},
	}
}

const (
	// doubtTimes and doubtFor: an answer that nobody knows condemns a token if it
	// comes that often over that long. Whatever passes is over by then, and asking
	// on for ever would hide from a person that they have to sign in.
	doubtTimes = 3
	doubtFor   = 10 * time.Minute
)

// doubts counts an answer that may be a verdict, and reports whether it is taken
// for one by now. Another answer begins again; none at all says nothing.
func (r *record) doubts(e *oauth.Error, now time.Time) bool {
	at := now.Add(r.skew())
	switch d := r.Doubt; {
	case !e.Unclear:
		if e.Status != 0 {
			r.Doubt = nil
		}
		return false
	case d == nil || d.Token != r.fingerprint() || d.Code != e.Code || d.Since.After(at):
		r.Doubt = &doubt{Token: r.fingerprint(), Code: e.Code, Since: at.UTC(), Times: 1}
		return false
	default:
		again := *d
		again.Times++
		r.Doubt = &again
		return again.Times >= doubtTimes && at.Sub(again.Since) >= doubtFor
	}
}
