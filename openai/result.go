package openai

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// How a request ended.
const (
	Completed   = "completed"
	Incomplete  = "incomplete"  // at a limit, or by a filter
	Failed      = "failed"      // the backend said so after it had begun
	Interrupted = "interrupted" // the backend's answer was cut off
	Cancelled   = "cancelled"   // the client went
	Refused     = "refused"     // by the backend or by us
)

// Result is how a request ended: for logs and metrics, without a word of what was
// asked or answered.
type Result struct {
	API        API
	Model      string
	Dropped    []string // names of the fields left out
	Status     int      // what the client got; 0 if it was gone
	Ended      string
	ResponseID string
	Usage      Usage
}

// Usage is what the backend counted, in tokens.
type Usage struct {
	Input, Cached, Output, Reasoning int64
}

func (t *Transport) told(client *http.Request, r Result) {
	if t.OnResult != nil {
		t.OnResult(client, r)
	}
}

// result says how an answer ended whose reading ended in err. An answer that was
// whole stays so if its client goes before it has read on.
func (x *exchange) result(src *source, err error) Result {
	r := Result{API: x.req.API, Model: x.req.Model, Dropped: x.req.Dropped, Status: http.StatusOK}
	if src != nil {
		a := &src.answer
		r.ResponseID = a.id
		r.Usage, _ = usageOf(a.usage) // what cannot be read is not counted
		if a.model != "" {
			r.Model = a.model
		}
		if a.end != sortUnknown {
			err = io.EOF
		}
	}
	var b *broken
	switch {
	case err == io.EOF && src.answer.end == sortIncomplete:
		r.Ended = Incomplete
	case err == io.EOF:
		r.Ended = Completed
	case x.client.Context().Err() != nil, err == nil, errors.Is(err, context.Canceled):
		r.Ended = Cancelled
	case errors.As(err, &b) && b.cause == nil:
		r.Ended = Failed
	default:
		r.Ended = Interrupted
	}
	if src == nil || r.Ended == Cancelled && !src.answer.working {
		r.Status = 0
	}
	return r
}

// usageOf reads what the backend says that it counted. It returns false where it
// says something that is no number.
func usageOf(raw []byte) (u Usage, ok bool) {
	c := counts{}
	in, out := c.details(raw, "input_tokens_details"), c.details(raw, "output_tokens_details")
	u = Usage{Input: c.of(raw, "input_tokens"), Cached: c.of(in, "cached_tokens"), Output: c.of(raw, "output_tokens"), Reasoning: c.of(out, "reasoning_tokens")}
	return u, !c.odd
}

// counts reads numbers of tokens; odd says that one was none.
type counts struct{ odd bool }

func (c *counts) details(object []byte, name string) []byte {
	raw := memberOf(object, name)
	c.odd = c.odd || !isNull(raw) && raw[0] != '{'
	return raw
}

func (c *counts) of(object []byte, name string) int64 {
	raw := memberOf(object, name)
	if isNull(raw) {
		return 0
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		c.odd = true
		return 0 // of one that is too large, n is the largest
	}
	return n
}
