package codexauth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// flight is one attempt to get a token, shared by all who wait. It belongs to
// the Manager, not to the caller who happened to start it.
type flight struct {
	need need
	done chan struct{}
	held *held
	err  error
}

// obtain joins the flight under way, or starts one, until one brought what n
// wants or one that was started for n failed.
func (m *Manager) obtain(ctx context.Context, n need) (*held, error) {
	for stale := false; ; {
		f, mine := m.join(n)
		if f == nil {
			return nil, ErrClosed
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a token: %w", context.Cause(ctx))
		}
		switch {
		case f.err == nil && n.accepts(f.held):
			return f.held, nil
		case mine && f.err == nil && !stale && f.held.stale():
			stale = true // once more, and only once
		case mine && f.err == nil:
			return nil, &RetryError{Err: errors.New("the new token is no better than the old one")}
		case f.err != nil && (mine || f.need.covers(n)):
			return nil, f.err
		}
	}
}

func (m *Manager) join(n need) (f *flight, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, false
	}
	if m.flight != nil {
		return m.flight, false
	}
	f = &flight{need: n, done: make(chan struct{})}
	m.flight = f
	m.wg.Go(func() { m.fly(f, n) })
	return f, true
}

func (m *Manager) fly(f *flight, n need) {
	f.held, f.err = m.source.get(m.ctx, n)
	m.mu.Lock()
	m.flight = nil
	if !errors.Is(f.err, errVain) { // which says nothing about a refresh when one is due
		m.notUntil.Store(max(retryTime(f.err).UnixNano(), m.source.pause()))
	}
	m.lookAhead()
	m.mu.Unlock()
	close(f.done)
}

// retryTime paces background attempts after a failure.
func retryTime(err error) time.Time {
	if err == nil {
		return time.Unix(0, 0)
	}
	at := time.Now().Add(time.Second + rand.N(4*time.Second))
	var retry *RetryError
	if errors.As(err, &retry) && retry.At.After(at) {
		at = retry.At
	}
	return at
}

// refreshBehind starts a background refresh unless one runs or just failed. All
// callers but the one who starts it pass without a lock.
func (m *Manager) refreshBehind() (started bool) {
	now := time.Now()
	not := m.notUntil.Load()
	if now.UnixNano() < not || !m.notUntil.CompareAndSwap(not, now.Add(time.Minute).UnixNano()) {
		return false
	}
	n := need{Fresh: true, AtOnce: true, Not: m.held.Load().rejectedToken()}
	go m.join(n) // the caller takes no lock, not even to start it
	return true
}

// lookAhead sets the timer that refreshes a token when it falls due, so that
// even a program that asks rarely finds a valid one. The caller holds mu.
func (m *Manager) lookAhead() {
	h := m.held.Load()
	if m.cfg.Lazy || m.closed || h == nil {
		return
	}
	wait := max(m.aheadIn(h), time.Second)
	// Not in one go: the wall clock may be set, and while the machine sleeps it
	// runs on and the timer does not.
	wait = min(wait, time.Minute)
	if m.ahead != nil {
		m.ahead.Reset(wait)
		return
	}
	m.ahead = time.AfterFunc(wait, func() {
		if h := m.held.Load(); h == nil || m.aheadIn(h) > 0 || !m.refreshBehind() { // its flight sets the timer again
			m.mu.Lock()
			m.lookAhead()
			m.mu.Unlock()
		}
	})
}

// aheadIn is how long it is until h should be refreshed ahead of time: somewhere
// in the first fifth of the window, so that not all come at once.
func (m *Manager) aheadIn(h *held) time.Duration {
	at := h.due + int64(m.jitter*float64(h.end-h.due)/5)
	return time.Duration(max(at, m.notUntil.Load()) - time.Now().UnixNano())
}
