package broker

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"codexauth/openai"
)

// call is one request on its way. It is the ResponseWriter that remembers the
// status for the audit log, lets no header pass that is not for the client, and
// gives up a client that does not read; and it is the request's Context, which
// ends with the client's key, too. One value is all of that because there may be
// thousands of streams, and hundreds of requests a second.
type call struct {
	http.ResponseWriter
	context.Context
	conn *http.ResponseController

	server *Server
	link   *link // the connection; nil behind another http.Server
	client client
	login  *login
	stats  *stats
	end    context.CancelCauseFunc // nil until it is begun
	begun  time.Time

	method    string
	path      string // as it may be shown; "" while it was not checked, or nobody known asks
	class     pathClass
	to        string // path at the backend, under its base
	status    int
	id        [1]string // in the log and in the answer
	from      string    // address of the client; "" on a socket
	denied    string    // code of the broker's own refusal
	left      int64     // of the answer's declared length; 0 if none was declared, or nothing is left
	accounted bool
	in, out   atomic.Int64 // bytes of bodies
	hurried   time.Time    // when the client was last given time to read
	// firstByte is when the answer began; zero if there was none.
	firstByte time.Time
	refusals  int // how often the backend answered 401

	body   clientBody
	replay replay
	first  replayReader
	whole  wholeBody
	result atomic.Pointer[openai.Result] // of OpenAI's API
}

// callKey finds a call in the contexts that descend from it.
type callKey struct{}

// Value is for context.Context.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// begin makes room for the call, and binds it to the client's key.
func (c *call) begin() *refusal {
	if !c.server.takeSlot() {
		return &refusal{status: http.StatusServiceUnavailable, code: "overloaded", message: "too many requests are under way; try again", retry: time.Second}
	}
	c.Context, c.end = context.WithCancelCause(c.Context)
	c.stats.open.Add(1)
	if key := c.client.key; key != nil {
		if f := key.begin(c); f != nil {
			c.leave()
			return f
		}
	}
	return nil
}

// leave gives back what begin took.
func (c *call) leave() {
	c.end(nil)
	c.end = nil
	c.stats.open.Add(-1)
	c.server.slots.Add(-1)
}

// done is the last of a call, also of one that broke off.
func (c *call) done() {
	c.body.end()
	c.whole.release()
	if c.end != nil {
		if key := c.client.key; key != nil {
			key.finish(c)
		}
		c.leave()
	}
	c.account(0)
	c.server.denials.note(c, time.Now())
	c.hurry() // the end of the answer is written after us
	c.server.conns.rest(c.link)
	c.server.handlers.Done()
}

// WriteHeader is for http.ResponseWriter.
func (c *call) WriteHeader(status int) {
	h := c.Header()
	if status < 200 { // informational: the answer is yet to come
		forClientOnly(h)
		c.ResponseWriter.WriteHeader(status)
		return
	}
	if c.status == 0 {
		c.status, c.firstByte = status, time.Now()
		c.left = declared(h)
	}
	h[requestIDHeader] = c.id[:]
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // stops net/http from guessing one: the backend's streams may have none
	}
	c.hurry()
	c.ResponseWriter.WriteHeader(status)
}

// Write is for http.ResponseWriter.
func (c *call) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	written := 0
	for {
		c.hurry()
		part := p[written:min(written+maxWrite, len(p))]
		if c.left > 0 && c.left <= int64(len(part)) {
			c.account(len(part)) // what ends the answer may reach the client before the handler is over
		}
		n, err := c.ResponseWriter.Write(part)
		c.left -= int64(n)
		c.sent(n)
		if written += n; err != nil || written == len(p) {
			return written, err
		}
	}
}

// maxWrite is how much a client has to take within its patience.
const maxWrite = 64 << 10

// FlushError is for http.ResponseController.
func (c *call) FlushError() error {
	c.hurry()
	return c.conn.Flush()
}

// Unwrap is for http.ResponseController.
func (c *call) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// hurry gives the client some time to take what is written next. A time-out that
// covers the whole answer would cut streams. Most of the last one's will do.
func (c *call) hurry() {
	patience := c.server.cfg.Patience
	if now := time.Now(); now.Sub(c.hurried) > patience/8 {
		c.hurried = now
		_ = c.conn.SetWriteDeadline(now.Add(patience)) // a connection without deadlines has none to miss
	}
}

// refuseBody refuses a body by its length, before a byte of it was read.
func (c *call) refuseBody(length int64) *refusal {
	if limit := c.server.cfg.MaxBody; length > limit {
		return tooLarge(limit)
	}
	return nil
}

func tooLarge(limit int64) *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "too_large", "the body is longer than "+strconv.FormatInt(limit, 10)+" bytes")
}

// bounded returns r with the call's context, and with a body that is limited in
// length and patience.
func (c *call) bounded(r *http.Request) *http.Request {
	if r.Body != nil && r.Body != http.NoBody {
		c.body = clientBody{ReadCloser: r.Body, call: c}
		r.Body = &c.body
		if r.ContentLength < 0 {
			r.Body = http.MaxBytesReader(c, r.Body, c.server.cfg.MaxBody)
		}
	}
	return r.WithContext(c)
}

var errSlowBody = errors.New("the client stopped sending in the middle of the body")

// stalled ends a call whose client stopped in the middle of the body.
func (c *call) stalled() {
	if c.end != nil {
		c.end(errSlowBody)
	}
	_ = c.conn.SetReadDeadline(time.Now()) // a connection without deadlines can't be helped
}
