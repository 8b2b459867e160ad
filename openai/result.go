package openai

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
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
		r.ResponseID, r.Usage = a.id, usageOf(a.usage)
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

func usageOf(raw []byte) Usage {
	var u struct {
		Input        int64 `json:"input_tokens"`
		Output       int64 `json:"output_tokens"`
		InputDetails struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		OutputDetails struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	}
	json.Unmarshal(raw, &u) // what cannot be read is not counted
	return Usage{u.Input, u.InputDetails.Cached, u.Output, u.OutputDetails.Reasoning}
}
