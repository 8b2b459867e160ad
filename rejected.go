package codexauth

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// What a backend's 401 is worth. It may be about the token, and then a refresh
// helps everybody; or it is about one path or one client, and then a refresh
// helps nobody, and costs a rotation each time. The answer to the new token
// tells which: so one refresh is tried, and from then on the result counts.
// Meanwhile the token is everybody else's: only the one whose request was
// refused waits for another.

const (
	// forcedInterval is the least time between two refreshes that a backend's
	// 401 caused, whatever came of the first.
	forcedInterval = 30 * time.Second
	// vainInterval is that where the first is not known to have helped.
	vainInterval = time.Hour
)

// errVain is why no refresh answers a 401.
var errVain = errors.New("the backend refuses a token that was refreshed for that very reason")

// How the backend took the last token that this process got in place of one that
// it had refused.
const (
	untold int32 = iota
	helped
	inVain
)

// rejections is what this process knows of the backend's 401s.
type rejections struct {
	last     atomic.Int32
	accepted atomic.Int64 // when a token last was, while the last one was in vain; Unix nanoseconds
}

// retried notes how the backend answered with the other token.
func (r *rejections) retried(status int) {
	switch {
	case status == http.StatusUnauthorized:
		r.last.Store(inVain)
	case authenticated(status):
		r.last.Store(helped)
	}
}

// answered notes the first answer to a request.
func (r *rejections) answered(status int) {
	if r.last.Load() == inVain && authenticated(status) {
		r.accepted.Store(time.Now().UnixNano())
	}
}

// authenticated reports whether a status says that the token was good. A gateway
// answers 403 and 5xx without having looked at it.
func authenticated(status int) bool {
	return status < 500 && status != http.StatusUnauthorized && status != http.StatusForbidden
}

// worthARefresh reports whether a 401 to h is a reason to refresh. After a
// refresh that was in vain it is one only when nobody has been served for as long
// as that counts: then it may be about the token after all.
func (r *rejections) worthARefresh(h *held) bool {
	if h.forced == 0 {
		return true
	}
	since, interval := h.forced, vainInterval
	switch r.last.Load() {
	case helped:
		interval = forcedInterval
	case inVain:
		since = max(since, r.accepted.Load())
	}
	return time.Duration(time.Now().UnixNano()-since).Abs() >= interval
}

// Invalidate says that the backend answered 401 to t. If t is still the token at
// hand, the next Token waits for another one; a newer token is left alone. It is
// heeded once: a token that came of it is not given up for the same reason within
// the hour, and a token is served on if there is no other available at the moment.
// What the transport of [Manager.Client] does with a 401 takes a token from nobody.
func (m *Manager) Invalidate(t Token) {
	for {
		h := m.held.Load()
		if h == nil || h.rejected || !h.token.AccessToken.Equal(t.AccessToken) || !m.rejections.worthARefresh(h) {
			return
		}
		rejected := *h
		rejected.due, rejected.rejected, rejected.dueThen = 0, true, h.due
		if m.held.CompareAndSwap(h, &rejected) {
			return
		}
	}
}

// restore takes back an Invalidate that led to no other token: what one caller was
// refused with may serve all others.
func (m *Manager) restore(h *held) *held {
	if !h.rejected {
		return h
	}
	again := *h
	again.due, again.rejected = h.dueThen, false
	m.held.CompareAndSwap(h, &again) // or there is another one by now
	return &again
}
