package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"codexauth/internal/cleantext"
	"codexauth/internal/monitor"
)

const (
	// copyBuffer is the size of the buffers between backend and client. A stream
	// holds one for as long as it lives, idle or not, and its events are small.
	copyBuffer = 2 << 10
	// flushAfter is for an answer of known length that comes in pieces. One of
	// unknown length, or an event stream, is passed on at once.
	flushAfter = 10 * time.Millisecond
)

// statusClientGone stands in the audit log where there was nobody to answer.
const statusClientGone = 499

var (
	errRedirect = errors.New("the backend answered with a redirect, which is neither followed nor passed on")
	errUpstream = errors.New("the backend gave no answer")
)

// proxy passes requests through to the one backend of their login. The Manager's transport
// signs them, refuses any other origin, and recovers from a 401.
type proxy struct {
	reverse httputil.ReverseProxy
	replay  int    // bytes of one body that are kept
	kept    budget // bytes of all
}

func newProxy(signed http.RoundTripper, replay int, log *slog.Logger) *proxy {
	p := &proxy{replay: replay, kept: budget{limit: 64 * int64(replay)}}
	p.reverse = httputil.ReverseProxy{
		Rewrite:       p.rewrite,
		Transport:     outward{signed},
		FlushInterval: flushAfter,
		BufferPool:    &bufferPool{},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			log.Debug("not passed on", "path", shownPath(r.URL.Path), "err", cleantext.Message(err.Error()))
			fail(w, r, err)
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

// fail answers with what err means, unless the client has gone.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	c, ours := w.(*call)
	if ours && c.status != 0 {
		panic(http.ErrAbortHandler) // an answer has begun, or the connection is no longer HTTP's
	}
	if f := refusalOf(r.Context(), err); f != nil {
		f.write(w, r)
		return
	}
	if ours && c.status == 0 {
		c.status = statusClientGone
	}
	panic(http.ErrAbortHandler) // no answer rather than an empty 200
}

// pass sends r to the backend's path, which begins with a slash, and its answer
// to the client. r is the broker's own copy.
func (p *proxy) pass(c *call, r *http.Request) {
	if upgrade := r.Header["Upgrade"]; upgrade != nil && (len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket") || r.Method != http.MethodGet) {
		delete(r.Header, "Upgrade") // a server may ignore it (RFC 9110 §7.8); ReverseProxy would offer it to the backend
	}
	target := *c.login.backend
	target.Path += c.to
	target.RawQuery = r.URL.RawQuery
	r.URL = &target
	p.reverse.ServeHTTP(c, r)
}

// rewrite takes out of the client's request what is not for the backend. The
// credentials come later, in the Manager's transport.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	out := pr.Out
	out.Host = ""
	out.Trailer = nil
	for name := range out.Header {
		if !forBackend(name) {
			delete(out.Header, name)
		}
	}
	c := callOf(out.Context())
	if c.to == modelsPath {
		askForModels(out)
	}
	if out.Body != nil {
		c.replay = replay{src: out.Body, limit: p.replay, all: &p.kept}
		c.first = replayReader{replay: &c.replay}
		out.Body, out.GetBody = &c.first, c.replay.again
	}
}

// outward is the way to the backend and back, credentials included.
type outward struct{ signed http.RoundTripper }

func (t outward) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.signed.RoundTrip(req)
	if body, ok := req.Body.(*replayReader); ok {
		body.drop() // the answer is there, and streams last
	}
	if err != nil {
		return nil, err
	}
	c := callOf(req.Context())
	c.server.met.recovered(c, resp.StatusCode)
	if err := vet(req, resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if c.to == modelsPath {
		return forEveryClient(resp, req.Method)
	}
	return resp, nil
}

// vet refuses redirects: a client that follows one with its key, or with a leased
// token, would take it somewhere else. It refuses an upgrade to what was not asked
// for, too, whose connection ReverseProxy would leave open.
func vet(req *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols && (req.Header.Get("Upgrade") == "" || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket")) {
		return fmt.Errorf("%w: it switches to a protocol that was not asked for", errUpstream)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		return errRedirect
	}
	forClientOnly(resp.Header)
	return nil
}

// upstream tells errors on the way to the backend from those of the Manager, and
// sees each request as it is sent.
type upstream struct {
	http.RoundTripper
	met    *metrics
	seen   *atomic.Pointer[tokenPair]
	limits *monitor.Limits
}

func (t upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	t.met.sawToken(t.seen, req.Header.Get("Authorization"))
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUpstream, err)
	}
	t.limits.Learn(resp.Header, time.Now())
	if streams(req, resp) {
		resp.Body = t.limits.Listen(resp.Body)
	}
	if c := callOf(req.Context()); c != nil && resp.StatusCode == http.StatusUnauthorized {
		c.refusals++
		t.met.unauthorized.Add(1)
	}
	return resp, nil
}

// streams reports whether events may come. The backend sends some without a type.
func streams(req *http.Request, resp *http.Response) bool {
	kind := resp.Header.Get("Content-Type")
	return resp.StatusCode == http.StatusOK && strings.HasSuffix(req.URL.Path, "/responses") && resp.Header.Get("Content-Encoding") == "" &&
		(kind == "" || strings.HasPrefix(kind, "text/event-stream"))
}

// bufferPool shares copy buffers among streams.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[copyBuffer]byte); ok {
		return b[:]
	}
	return new([copyBuffer]byte)[:]
}

func (p *bufferPool) Put(b []byte) { p.pool.Put((*[copyBuffer]byte)(b)) }
