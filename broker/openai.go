package broker

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"codexauth/openai"
)

const (
	publicPrefix = "/v1/"
	modelsUnder  = "/v1/models/"
	// smallBody is how much of a request is read whatever others have under way.
	smallBody = 64 << 10
)

// newTranslator returns what speaks OpenAI's public API to clients: a request is
// read whole, put in the backend's terms, and sent by way of signed.
func (s *Server) newTranslator(signed http.RoundTripper, backend string) *openai.Transport {
	t := openai.NewTransport(askedFor{signed, s}, backend)
	t.Memory = s.cfg.Memory
	t.KeyOf = func(r *http.Request) string { return callOf(r.Context()).client.memory() }
	t.OnResult = s.answered
	return t
}

// memory tells clients apart that must not see each other's answers. A key that is
// made again under an old name is another client.
func (c client) memory() string {
	if c.key != nil {
		return c.key.memory
	}
	return c.name
}

// translate answers a request of OpenAI's public API.
func (s *Server) translate(c *call, r *http.Request) {
	c.whole = wholeBody{ReadCloser: r.Body, call: c}
	r.Body = &c.whole
	resp, err := c.login.translator.RoundTrip(r)
	if err != nil {
		fail(c, r, err)
		return
	}
	defer resp.Body.Close()
	if !c.whole.ended && r.ContentLength != 0 {
		c.Header()["Connection"] = []string{"close"} // nobody waits for the rest
		_ = c.conn.SetReadDeadline(time.Now().Add(linger))
	}
	c.send(resp)
}

// send passes an answer on: a stream event by event, with comments where it is
// silent. One that breaks off does so for the client, too.
func (c *call) send(resp *http.Response) {
	h := c.Header()
	for name, values := range resp.Header {
		h[name] = values
	}
	c.WriteHeader(resp.StatusCode)
	if openai.Copy(c, resp.Body, openai.KeepAliveAfter) != nil {
		panic(http.ErrAbortHandler)
	}
}

// translateOrUpgrade is for a path whose POST is OpenAI's, and whose GET a
// WebSocket's, which is the backend's own.
func (s *Server) translateOrUpgrade(c *call, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		s.translate(c, r)
	case r.Header["Upgrade"] != nil:
		s.pass(c, r)
	default:
		c.Header().Set("Allow", http.MethodPost)
		e := openai.NotFound("/v1/responses/")
		refuse(http.StatusMethodNotAllowed, "method_not_allowed", e.Message).write(c, r)
	}
}

// notFound says what there is instead.
func notFound(path string) *refusal {
	if strings.HasPrefix(path, publicPrefix) {
		e := openai.NotFound(path)
		return refuse(e.Status, e.Code, e.Message)
	}
	return refuse(http.StatusNotFound, "not_found", "there is nothing under this path; the base URL of an OpenAI client ends in /v1")
}

// wholeBody is a request's body that is read whole before it is sent. All of them
// share a budget until the backend has answered.
type wholeBody struct {
	io.ReadCloser
	call  *call
	read  int
	taken int
	ended bool
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	b.ended = err == io.EOF
	if more := b.read - smallBody - b.taken; more > 0 {
		if !b.call.server.bodies.take(more) {
			return 0, &refusal{status: http.StatusServiceUnavailable, code: "overloaded", message: "too many large requests are being read; try again", retry: time.Second}
		}
		b.taken += more
	}
	return n, err
}

// Close closes nothing: the server does, which knows whether the rest is waited for.
func (b *wholeBody) Close() error { return nil }

// release gives back what Read took.
func (b *wholeBody) release() {
	if b.taken > 0 {
		b.call.server.bodies.used.Add(-int64(b.taken))
		b.taken = 0
	}
}

// askedFor is the way to the backend for what was put in its terms: a client's
// request, or a question for the list of models, which is nobody's.
type askedFor struct {
	signed http.RoundTripper
	server *Server
}

func (t askedFor) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callOf(req.Context())
	if c == nil {
		return t.signed.RoundTrip(t.server.ours(req))
	}
	resp, err := t.signed.RoundTrip(req)
	c.whole.release()
	if err != nil {
		return nil, err
	}
	t.server.met.recovered(c, resp.StatusCode)
	return resp, nil
}

// ours returns a request that ends with the Server.
func (s *Server) ours(req *http.Request) *http.Request {
	ctx, cancel := context.WithCancel(req.Context())
	stop := context.AfterFunc(s.ctx, cancel)
	context.AfterFunc(ctx, func() { stop() })
	return req.WithContext(ctx)
}
