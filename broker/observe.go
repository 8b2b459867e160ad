package broker

import (
	"context"
	"net/http"

	"codexauth/internal/monitor"
)

// Metrics is what /metrics tells, of every login: for a listener that only those reach
// who may know whose they are.
func (s *Server) Metrics(ctx context.Context) string {
	var w monitor.Exposition
	s.writeMetrics(ctx, &w, s.logins)
	return w.String()
}

// ServeReady answers as /readyz does to those who may know of every login.
func (s *Server) ServeReady(w http.ResponseWriter, _ *http.Request) {
	writeReady(w, s.health(), readyLogins(s.logins))
}
