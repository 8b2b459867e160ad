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

// table is every path that is answered, but for those under backendPrefix.
func (s *Server) table() map[string]route {
	pass := func(path string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { s.proxy.pass(w, r, path) }
	}
	return map[string]route{
		"/token":        {methods: "POST", lease: true, serve: s.handleToken},
		"/status":       {methods: "GET HEAD", lease: true, serve: s.handleStatus},
		"/v1/responses": {methods: "GET POST", serve: pass("/responses")}, // GET is a WebSocket's
		"/v1/models":    {methods: "GET HEAD", serve: pass("/models")},
	}
}

func (s *Server) find(path string) (route, bool) {
	if rest, ok := strings.CutPrefix(path, backendPrefix+"/"); ok {
		return route{methods: proxyMethods, serve: func(w http.ResponseWriter, r *http.Request) {
			s.proxy.pass(w, r, "/"+rest)
		}}, true
	}
	found, ok := s.routes[path]
	return found, ok
}

// ServeHTTP answers one request. It is what Serve calls, and may stand behind
// another http.Server, which then has the time-outs and limits of headers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		(&refusal{status: http.StatusServiceUnavailable, code: "stopping", message: "the broker is stopping", retry: time.Second}).write(w, r)
		return
	}
	defer s.handlers.Done()
	a := newAnswer(w, s.cfg.Patience)
	entry := audit{method: r.Method, begun: time.Now()}
	defer func() { entry.log(s.log, a.status) }() // also when a stream breaks off, which is a panic
	defer a.hurry()                               // the end of the answer is written after us
	if f := s.handle(a, r, &entry); f != nil {
		f.write(a, r)
	}
}

// handle checks, in this order: the path, before anything looks at it; the site;
// who asks; what for.
func (s *Server) handle(w http.ResponseWriter, r *http.Request, entry *audit) *refusal {
	path, f := requestPath(r)
	if f != nil {
		return f
	}
	if f := s.checkSite(r); f != nil {
		return f
	}
	if path == "/healthz" {
		entry.path = path
		return handleHealth(w, r)
	}
	who, f := s.admit(r)
	if f != nil {
		return f
	}
	entry.who, entry.path = who.name, shownPath(path)
	found, ok := s.find(path)
	switch {
	case !ok:
		return refuse(http.StatusNotFound, "not_found", "there is nothing under this path; try /v1/responses")
	case !allows(found.methods, r.Method):
		w.Header().Set("Allow", strings.ReplaceAll(found.methods, " ", ", "))
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "use "+strings.ReplaceAll(found.methods, " ", " or "))
	case found.lease && !who.lease:
		return refuse(http.StatusForbidden, "lease_refused", "this key is for the proxy only; it gets no access token")
	}
	s.serve(found, w, r, who)
	return nil
}

// serve runs a handler with a body that is limited in length and patience, for
// no longer than the client's key is good.
func (s *Server) serve(found route, w http.ResponseWriter, r *http.Request, who client) {
	ctx, end, release := who.bound(r.Context())
	defer release()
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		conn := http.NewResponseController(w)
		body := newTimedBody(r.Body, s.cfg.Patience, func() {
			end(errSlowBody)
			_ = conn.SetReadDeadline(time.Now()) // a connection without deadlines can't be helped
		})
		defer body.end()
		r.Body = http.MaxBytesReader(w, body, s.cfg.MaxBody)
	}
	found.serve(w, r)
}

func allows(methods, method string) bool {
	for m := range strings.FieldsSeq(methods) {
		if m == method {
			return true
		}
	}
	return false
}

func handleHealth(w http.ResponseWriter, r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed", "use GET")
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	return nil
}
