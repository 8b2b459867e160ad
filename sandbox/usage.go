package sandbox

import (
	"net/http"
	"strconv"
	"time"
)

// A limit is one rate limit of an account as the sandbox makes it up.
type limit struct {
	used         float64 // percent
	window, left time.Duration
}

// limits returns the short and the long limit. The fault "usage" says how much
// of the short one is used, and the long one follows at a quarter of that.
func limits(faults hits) (primary, secondary limit) {
	primary, secondary = limit{12.5, 5 * time.Hour, time.Hour}, limit{3, 7 * 24 * time.Hour, 24 * time.Hour}
	if f, ok := faults.group("usage"); ok {
		primary.used, secondary.used = f.percent, f.percent/4
	}
	return primary, secondary
}

// quota sets the headers in which the backend tells how much is used.
func quota(h http.Header, user User, faults hits) {
	primary, secondary := limits(faults)
	h.Set("x-codex-plan-type", user.Plan)
	primary.headers(h, "x-codex-primary-")
	secondary.headers(h, "x-codex-secondary-")
	h.Set("x-codex-credits-has-credits", "false")
	h.Set("x-codex-credits-unlimited", "false")
}

func (l limit) headers(h http.Header, prefix string) {
	h.Set(prefix+"used-percent", strconv.FormatFloat(l.used, 'f', 1, 64))
	h.Set(prefix+"window-minutes", strconv.Itoa(int(l.window/time.Minute)))
	h.Set(prefix+"reset-after-seconds", strconv.Itoa(int(l.left/time.Second)))
}

func (l limit) json(now time.Time) map[string]any {
	return map[string]any{
		"used_percent": l.used, "limit_window_seconds": int(l.window / time.Second),
		"reset_after_seconds": int(l.left / time.Second), "reset_at": now.Add(l.left).Unix(),
	}
}

func (s *Server) handleUsage(w http.ResponseWriter, _ *http.Request, call backendCall) {
	s.mu.Lock()
	now := s.now()
	s.mu.Unlock()
	primary, secondary := limits(call.faults)
	reached := primary.used >= 100
	writeJSON(w, http.StatusOK, map[string]any{
		"plan_type": call.user.Plan,
		"rate_limit": map[string]any{
			"allowed": !reached, "limit_reached": reached,
			"primary_window": primary.json(now), "secondary_window": secondary.json(now),
		},
		"credits": map[string]any{"has_credits": false, "unlimited": false, "balance": "0"},
	})
}
