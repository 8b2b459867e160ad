// Package watch looks at a broker again and again and words what it sees for
// people: for the status page and for `codexauth top`, which lay it out.
package watch

import (
	"context"
	"sync"
	"time"

	"codexauth/broker/overview"
)

const (
	// Every is how often those who look are shown something new.
	Every = 2 * time.Second
	// fresh is how old an answer of the broker's may be that is shown to one more.
	fresh    = time.Second
	patience = 8 * time.Second
)

// Watcher asks a broker how it is doing, for any number of people at a time.
type Watcher struct {
	// Ask asks the broker, or the store where there is none.
	Ask func(context.Context) (*overview.Overview, error)
	// Remedy says what to do about a login that is signed out or refused.
	Remedy func(profile string) string

	mu    sync.Mutex
	last  *overview.Overview // the latest answer; nil before there was one
	at    time.Time          // when it came
	asked time.Time          // when the last question was answered, or failed
	err   error              // why the last question has no answer
	pace  pace
}

// Look returns how the broker is doing. It asks at most once a second.
func (w *Watcher) Look(ctx context.Context) View {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); w.asked.IsZero() || now.Sub(w.asked) >= fresh {
		w.look(ctx)
	}
	if w.last == nil {
		return away(w.err, time.Now())
	}
	now := w.last.At.Add(time.Since(w.at)) // by the broker's clock
	v := w.view(w.last, now)
	if w.err != nil {
		v.lost(w.err, w.at)
	}
	return v
}

func (w *Watcher) look(ctx context.Context) {
	// Who looks may leave while others wait for the same answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	got, err := w.Ask(ctx)
	w.asked, w.err = time.Now(), err
	if err != nil {
		return
	}
	if w.last != nil && !got.StartedAt.Equal(w.last.StartedAt) {
		w.pace = nil // another broker, which counts from zero
	}
	w.last, w.at = got, w.asked
	w.pace = w.pace.with(got, w.asked)
}

// Latest is the last answer, as the broker gave it, and why there is none newer.
func (w *Watcher) Latest() (*overview.Overview, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.err
}

// pace is how many requests each client had made, at several times of the last
// minute, the oldest first.
type pace []sample

type sample struct {
	at       time.Time
	requests map[string]int64
}

func (p pace) with(o *overview.Overview, at time.Time) pace {
	for len(p) > 1 && at.Sub(p[1].at) >= time.Minute {
		p = p[1:]
	}
	s := sample{at, make(map[string]int64, len(o.Clients))}
	for _, c := range o.Clients {
		s.requests[c.Name] = c.Requests
	}
	return append(p, s)
}

// perMinute is how often a client asks now; ok is false while that is not known.
func (p pace) perMinute(name string) (n float64, ok bool) {
	if len(p) < 2 {
		return 0, false
	}
	first, last := p[0], p[len(p)-1]
	span := last.at.Sub(first.at)
	return float64(last.requests[name]-first.requests[name]) / span.Minutes(), span >= time.Second
}
