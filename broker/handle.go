package broker

import (
	"net/http"
	"strings"
	"time"
)

const (
	backendPrefix = "/backend-api/codex"
	proxyMethods  = "GET HEAD POST PUT PATCH DELETE"
)

// route is what a path leads to.
type route struct {
	methods string // separated by spaces
	class   pathClass
	to      string // path at the backend
	needs   right
	serve   func(*call, *http.Request)
}

// table is every path that is answered, but for those under backendPrefix and
// modelsUnder.
func (s *Server) table() map[string]route {
	return map[string]route{
		"/token":                {methods: "POST", class: pathToken, needs: rightLease, serve: s.handleToken},
		"/status":               {methods: "GET HEAD", class: pathStatus, needs: rightStatus, serve: s.handleStatus},
		"/v1/chat/completions":  {methods: "POST", class: pathChat, serve: s.translate},
		"/v1/responses":         {methods: "GET POST", class: pathResponses, to: "/responses", serve: s.translateOrUpgrade},
		"/v1/responses/compact": {methods: "POST", class: pathCompact, serve: s.translate},
		"/v1/models":            {methods: "GET HEAD", class: pathModels, serve: s.translate},
		"/metrics":              {methods: "GET HEAD", class: pathMetrics, needs: rightMetrics, serve: s.handleMetrics},
	}
}

func (s *Server) find(path string) (route, bool) {
	if rest, ok := strings.CutPrefix(path, backendPrefix); ok && strings.HasPrefix(rest, "/") {
		return route{methods: proxyMethods, class: classAtBackend(rest), to: rest, serve: s.pass}, true
	}
	if id, ok := strings.CutPrefix(path, modelsUnder); ok && id != "" {
		return route{methods: "GET HEAD", class: pathModels, serve: s.translate}, true
	}
	found, ok := s.routes[path]
	return found, ok
}

// ServeHTTP answers one request. Serve calls it, and it may run behind
// another http.Server, which then has the time-outs, and the limits of headers
// and connections.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		stopping().write(w, r)
		return
	}
	c := s.newCall(w, r)
	defer c.done() // also when a stream breaks off, which is a panic
	// What is on the stack from here on is so for as long as a stream lives: some
	// hundred bytes more would double the stacks of thousands.
	next, f := s.handle(c, r)
	if f != nil {
		f.write(c, r)
		return
	}
	next(c, c.bounded(r))
}

func (s *Server) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{ResponseWriter: w, Context: r.Context(), conn: http.NewResponseController(w), server: s,
		link: linkOf(r.Context()), stats: &s.strangers, begun: time.Now(), method: r.Method, id: [1]string{s.ids.next()}}
	if r.RemoteAddr != "@" && peerOf(r.Context()) == nil {
		c.from = r.RemoteAddr
	}
	s.conns.work(c.link)
	if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
		// Whoever sent a Content-Length as well may have meant another end of the
		// request than we do, and net/http does not tell: what follows is not read
		// (RFC 9112 §6.1).
		c.Header().Set("Connection", "close")
	}
	return c
}

func stopping() *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: "stopping", message: "the broker is stopping", retry: time.Second}
}

// handle says what answers a request. It checks, in this order: the path, before
// anything looks at it; the site; who asks; what for; and how much.
func (s *Server) handle(c *call, r *http.Request) (next func(*call, *http.Request), _ *refusal) {
	path, f := requestPath(r)
	if f != nil {
		return nil, f
	}
	probe := s.probe(path)
	if f := s.checkSite(r, probe != nil); f != nil {
		return nil, f
	}
	if c.link != nil && c.link.over {
		c.Header().Set("Connection", "close")
		return nil, &refusal{status: http.StatusServiceUnavailable, code: "too_many_connections", message: "too many connections are open; use fewer, or try again", retry: time.Second}
	}
	if probe != nil {
		c.path, c.class = path, pathHealth
		return probe, nil
	}
	c.client, f = s.admit(r)
	if f != nil {
		return nil, f
	}
	c.path, c.stats = shownPath(path), c.client.stats
	found, ok := s.find(path)
	c.class, c.to = found.class, found.to
	key := c.client.key
	switch {
	case !ok:
		return nil, notFound(path)
	case !allows(found.methods, r.Method):
		c.Header().Set("Allow", strings.ReplaceAll(found.methods, " ", ", "))
		return nil, refuse(http.StatusMethodNotAllowed, "method_not_allowed", "use "+strings.ReplaceAll(found.methods, " ", " or "))
	case !c.client.may(found.needs):
		return nil, found.needs.refusal()
	case key != nil && found.needs == rightProxy && !key.reaches(path):
		return nil, refuse(http.StatusForbidden, "path_refused", "this key is not for this path")
	}
	if c.login = s.loginOf(key); c.login == nil {
		return nil, refuse(http.StatusForbidden, "login_not_served", "the key is for a login that this broker does not serve")
	}
	if f := c.refuseBody(r.ContentLength); f != nil {
		return nil, f
	}
	if f := c.begin(); f != nil {
		return nil, f
	}
	return found.serve, nil
}

func allows(methods, method string) bool {
	for m := range strings.FieldsSeq(methods) {
		if m == method {
			return true
		}
	}
	return false
}

// shownPath is a path with every segment masked that may be a secret.
func shownPath(path string) string {
	for i, run := 0, 0; i < len(path); i++ {
		if run++; path[i] == '/' {
			run = 0
		}
		if run >= maxShown {
			return maskedPath(path)
		}
	}
	return path
}
