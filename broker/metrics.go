package broker

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"codexauth/internal/monitor"
)

// pathClass is what a path counts as: clients choose paths, and must not choose
// how many lines the metrics have.
type pathClass int

const (
	pathOther pathClass = iota
	pathChat
	pathResponses
	pathCompact
	pathModels
	pathToken
	pathStatus
	pathMetrics
	pathHealth
	pathClasses
)

func (p pathClass) String() string {
	return [pathClasses]string{"other", "chat", "responses", "compact", "models", "token", "status", "metrics", "health"}[p]
}

func classAtBackend(path string) pathClass {
	switch path {
	case "/responses":
		return pathResponses
	case "/responses/compact":
		return pathCompact
	case modelsPath:
		return pathModels
	}
	return pathOther
}

// stats are the counters of one client: a key, a user of the socket, or all
// strangers together.
type stats struct {
	requests [pathClasses][6]atomic.Int64 // by hundreds of the status; 0 is no answer
	nanos    atomic.Int64                 // that they took in all
	open     atomic.Int64
	in, out  atomic.Int64 // bytes of bodies
	tokens   [len(tokenKinds)]atomic.Int64
}

func (s *stats) count(c *call) {
	hundreds := c.status / 100
	if hundreds > 5 || c.status == statusClientGone {
		hundreds = 0
	}
	s.requests[c.class][hundreds].Add(1)
	took := time.Since(c.begun)
	s.nanos.Add(int64(took))
	times := &c.server.times[c.class]
	times.whole.Observe(took)
	if !c.firstByte.IsZero() {
		times.first.Observe(c.firstByte.Sub(c.begun))
	}
}

// times are how long requests of one class took, whoever made them.
type times struct{ first, whole monitor.Histogram }

// peerStats are those of the users of the socket.
type peerStats struct {
	mu     sync.Mutex
	byName map[string]*stats
}

func (p *peerStats) of(name string) *stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byName == nil {
		p.byName = map[string]*stats{}
	}
	if p.byName[name] == nil {
		p.byName[name] = new(stats)
	}
	return p.byName[name]
}

func (p *peerStats) all() map[string]*stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.byName)
}

// tally counts by something of which there are few.
type tally[K comparable] struct {
	mu sync.Mutex
	n  map[K]int64
}

func (t *tally[K]) add(what K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[K]int64{}
	}
	t.n[what]++
}

func (t *tally[K]) all() map[K]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// metrics are about the login.
type metrics struct {
	unauthorized atomic.Int64 // 401s of the backend
	recoveries   atomic.Int64
	changes      atomic.Int64 // of the access token
}

// tokenPair is the present bearer and the one before it, with which requests may
// still be on their way.
type tokenPair struct{ now, before string }

// sawToken notes the bearer of a request of one login: a new one is a refresh, whoever did it.
func (m *metrics) sawToken(present *atomic.Pointer[tokenPair], bearer string) {
	for {
		p := present.Load()
		if p != nil && (p.now == bearer || p.before == bearer) {
			return
		}
		next := &tokenPair{now: bearer}
		if p != nil {
			next.before = p.now
		}
		if present.CompareAndSwap(p, next) {
			if p != nil {
				m.changes.Add(1)
			}
			return
		}
	}
}

func (m *metrics) recovered(c *call, status int) {
	if c.refusals > 0 && status != http.StatusUnauthorized {
		m.recoveries.Add(1)
	}
}

// handleMetrics answers in the text format of Prometheus (version 0.0.4).
func (s *Server) handleMetrics(c *call, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	var w monitor.Exposition
	s.writeMetrics(ctx, &w, s.loginsFor(c.client))
	h := c.Header()
	h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(c, w.String()) // a client that has gone needs no answer
}

// writeMetrics tells how all logins are doing, and whose only those in named are.
func (s *Server) writeMetrics(ctx context.Context, w *monitor.Exposition, named []*login) {
	monitor.WriteBuild(w)
	s.clientMetrics(w)
	s.keyMetrics(w)
	s.timeMetrics(w)
	s.answerMetrics(w)
	s.serverMetrics(w)
	s.loginMetrics(ctx, w, named)
}

// clients are all who have counters, by the name that their lines bear.
func (s *Server) clients() map[string]*stats {
	all := map[string]*stats{"unknown": &s.strangers}
	for name, of := range s.peers.all() {
		all[name] = of
	}
	for _, key := range s.cfg.Keys.held() {
		all[key.who] = key.stats
	}
	return all
}

func (s *Server) clientMetrics(w *monitor.Exposition) {
	all := s.clients()
	names := slices.Sorted(maps.Keys(all))
	w.Family("codexauth_requests_total", "counter", "Requests that have ended, by client, kind of path and status class; none means that the client disconnected.")
	for _, name := range names {
		for class := range pathClasses {
			for hundreds := range all[name].requests[class] {
				if n := all[name].requests[class][hundreds].Load(); n > 0 {
					code := "none"
					if hundreds > 0 {
						code = fmt.Sprintf("%dxx", hundreds)
					}
					w.Line("codexauth_requests_total", float64(n), "client", name, "path", class.String(), "code", code)
				}
			}
		}
	}
	each := func(metric, kind, help string, value func(*stats) float64) {
		w.Family(metric, kind, help)
		for _, name := range names {
			w.Line(metric, value(all[name]), "client", name)
		}
	}
	each("codexauth_request_seconds_total", "counter", "Time taken by requests, including streams to their end.", func(s *stats) float64 { return time.Duration(s.nanos.Load()).Seconds() })
	each("codexauth_streams_open", "gauge", "Requests and WebSockets in progress.", func(s *stats) float64 { return float64(s.open.Load()) })
	each("codexauth_received_bytes_total", "counter", "Bytes of bodies from clients.", func(s *stats) float64 { return float64(s.in.Load()) })
	each("codexauth_sent_bytes_total", "counter", "Bytes of bodies to clients.", func(s *stats) float64 { return float64(s.out.Load()) })
}

func (s *Server) timeMetrics(w *monitor.Exposition) {
	each := func(name, help string, of func(*times) *monitor.Histogram) {
		w.Family(name, "histogram", help)
		for class := range pathClasses {
			if h := of(&s.times[class]); !h.Empty() {
				w.Histogram(name, h, "path", class.String())
			}
		}
	}
	each("codexauth_first_byte_seconds", "How long requests waited for the first byte of the answer, by kind of path.", func(t *times) *monitor.Histogram { return &t.first })
	each("codexauth_request_duration_seconds", "How long requests took in all, including streams to their end, by kind of path.", func(t *times) *monitor.Histogram { return &t.whole })
}

// keyMetrics tell when keys end; those that never do have no line.
func (s *Server) keyMetrics(w *monitor.Exposition) {
	keys := s.cfg.Keys.newest()
	slices.SortFunc(keys, func(a, b *heldKey) int { return strings.Compare(a.who, b.who) })
	w.Family("codexauth_key_expiry_timestamp_seconds", "gauge", "When a key expires.")
	for _, key := range keys {
		w.Time("codexauth_key_expiry_timestamp_seconds", key.expires(), "client", key.who)
	}
	w.Family("codexauth_key_last_used_timestamp_seconds", "gauge", "When a key was last used here.")
	used := s.cfg.Keys.lastUsed()
	for _, key := range keys {
		if at := used[key.Name]; at > 0 {
			w.Time("codexauth_key_last_used_timestamp_seconds", time.Unix(at, 0), "client", key.who)
		}
	}
}

func (s *Server) serverMetrics(w *monitor.Exposition) {
	refused := s.refused.all()
	w.Family("codexauth_refusals_total", "counter", "Errors returned by the broker itself, by code.")
	for _, code := range slices.Sorted(maps.Keys(refused)) {
		w.Line("codexauth_refusals_total", float64(refused[code]), "code", code)
	}
	open, _, opened, evicted, over := s.conns.counts()
	w.One("codexauth_connections_open", "gauge", "Open connections of clients.", float64(open))
	w.One("codexauth_connections_total", "counter", "Connections that were accepted.", float64(opened))
	w.One("codexauth_connections_evicted_total", "counter", "Idle connections that were closed to make room.", float64(evicted))
	w.One("codexauth_connections_refused_total", "counter", "Connections that were rejected for lack of room.", float64(over))
	w.One("codexauth_replay_bytes", "gauge", "Bytes of request bodies kept for a retry.", float64(s.proxy.kept.used.Load()))
	w.One("codexauth_start_time_seconds", "gauge", "When the broker was started, in Unix seconds.", float64(s.started.UnixMilli())/1e3)
}

func (s *Server) loginMetrics(ctx context.Context, w *monitor.Exposition, named []*login) {
	w.One("codexauth_backend_unauthorized_total", "counter", "Requests that the backend answered with 401.", float64(s.met.unauthorized.Load()))
	w.One("codexauth_recoveries_total", "counter", "Requests that were recovered from a 401.", float64(s.met.recoveries.Load()))
	w.One("codexauth_token_changes_total", "counter", "Token changes that requests have seen, whichever process refreshed.", float64(s.met.changes.Load()))
	var list []monitor.Login
	for _, l := range s.logins {
		login := monitor.Read(ctx, l.Name, l.Manager)
		if login.Name == "" {
			login.Name = login.Status.Key
		}
		login.Journal, login.Limits, login.Nameless = s.cfg.Journal, l.limits.Known(time.Now()), !slices.Contains(named, l)
		list = append(list, login)
	}
	monitor.WriteLogins(w, list)
}
