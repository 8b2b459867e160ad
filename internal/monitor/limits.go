package monitor

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limit is how much of one window of an account's rate limits is used.
type Limit struct {
	Window   string  // "primary" or "secondary"
	Used     float64 // 0 to 1, or more
	ResetsAt time.Time
}

// Limits is what the backend's answers, in headers and events, say about an account's rate limits. The zero
// value knows nothing. It may be used by any number of goroutines.
type Limits struct {
	mu    sync.Mutex
	known [len(limitWindows)]Limit
}

var limitWindows = [...]string{"primary", "secondary"}

// longestWindow is what a time that the backend tells must be within.
const longestWindow = 366 * 24 * time.Hour

// Learn reads the headers of an answer.
func (l *Limits) Learn(h http.Header, now time.Time) {
	for i, window := range limitWindows {
		used, err := strconv.ParseFloat(h.Get("X-Codex-"+window+"-Used-Percent"), 64)
		if err != nil {
			continue
		}
		in, err := strconv.ParseFloat(h.Get("X-Codex-"+window+"-Reset-After-Seconds"), 64)
		if err != nil {
			in = -1
		}
		l.learn(i, used, in, now)
	}
}

// learn notes how many percent of a window are used, and in how many seconds it begins
// again; a negative number means unknown. Impossible numbers are ignored.
func (l *Limits) learn(window int, percent, in float64, now time.Time) {
	if !(percent >= 0 && percent < 1e6) {
		return
	}
	limit := Limit{Window: limitWindows[window], Used: percent / 100}
	if in >= 0 && in <= longestWindow.Seconds() {
		limit.ResetsAt = now.Add(time.Duration(in * float64(time.Second)))
	}
	l.mu.Lock()
	l.known[window] = limit
	l.mu.Unlock()
}

// Known returns what is known. A window that has begun again since is not.
func (l *Limits) Known(now time.Time) (list []Limit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, limit := range l.known {
		if limit.Window != "" && (limit.ResetsAt.IsZero() || now.Before(limit.ResetsAt)) {
			list = append(list, limit)
		}
	}
	return list
}
