package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"codexauth/internal/cleantext"
)

// copyBuffer is the size of the buffers between backend and client. A stream
// holds one for as long as it lives, idle or not, and its events are small.
const copyBuffer = 4 << 10

// statusClientGone stands in the audit log where there was nobody to answer.
const statusClientGone = 499

var (
	errRedirect = errors.New("the backend answered with a redirect, which is neither followed nor passed on")
	errUpstream = errors.New("the backend gave no answer")
)

// proxy passes requests through to the one backend. The Manager's transport
// signs them, refuses any other origin, and recovers from a 401.
type proxy struct {
	backend *url.URL
	reverse httputil.ReverseProxy
	replay  int
}

func newProxy(backend *url.URL, signed http.RoundTripper, replay int, log *slog.Logger) *proxy {
	p := &proxy{backend: backend, replay: replay}
	p.reverse = httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      dropReplay{signed},
		FlushInterval:  -1, // also for streams that don't say that they are some
		BufferPool:     &bufferPool{},
		ModifyResponse: checkResponse,
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
	if f := refusalOf(r.Context(), err); f != nil {
		f.write(w, r)
		return
	}
	if a, ok := w.(*answer); ok && a.status == 0 {
		a.status = statusClientGone
	}
	panic(http.ErrAbortHandler) // no answer rather than an empty 200
}

// pass sends r to the backend's path, which begins with a slash, and its answer
// to w.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request, path string) {
	if upgrade := r.Header.Get("Upgrade"); strings.EqualFold(upgrade, "websocket") {
		refuse(http.StatusUpgradeRequired, "upgrade_required", "WebSocket is not passed on; use HTTP").write(w, r)
		return
	}
	delete(r.Header, "Upgrade") // a server may ignore it (RFC 9110 §7.8); ReverseProxy would offer it to the backend
	target := *p.backend
	target.Path += path
	target.RawQuery = r.URL.RawQuery
	out := *r
	out.URL = &target
	p.reverse.ServeHTTP(w, &out)
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
	if out.Body != nil {
		body := newReplay(out.Body, p.replay)
		out.Body, out.GetBody = body.first(), body.again
	}
}

// forBackend reports whether a header of the client's request may pass. Those
// about one connection are gone already.
func forBackend(name string) bool {
	switch name {
	case "Authorization", "Cookie", "Cookie2", "Forwarded", "Via", "X-Real-Ip", "True-Client-Ip", "X-Client-Ip",
		"X-Api-Key", "Api-Key", "Expect", "Origin", "Referer":
		return false
	case "Chatgpt-Account-Id", "X-Openai-Fedramp":
		return false // the Manager's to say
	}
	return !strings.HasPrefix(name, "X-Forwarded-") && !strings.HasPrefix(name, "Cf-") && !strings.HasPrefix(name, "Sec-")
}

// dropReplay gives a body's memory back once the answer is there: streams last.
type dropReplay struct{ http.RoundTripper }

func (t dropReplay) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if body, ok := req.Body.(*replayReader); ok {
		body.drop()
	}
	return resp, err
}

// upstream tells errors on the way to the backend from those of the Manager.
type upstream struct{ http.RoundTripper }

func (t upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		err = fmt.Errorf("%w: %w", errUpstream, err)
	}
	return resp, err
}

// checkResponse refuses redirects: a client that follows one with its key, or
// with a leased token, would take it somewhere else.
func checkResponse(resp *http.Response) error {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		return errRedirect
	}
	return nil
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
