package monitor

import (
	"bytes"
	"encoding/json"
	"io"
	"time"
)

// The backend tells an account's rate limits in the headers of an answer, as they were
// when it began, and in an event of the stream, as they are by then.

// maxLimitEvent is more than the line of such an event has.
const maxLimitEvent = 4 << 10

var limitEvent = []byte(`"codex.rate_limits"`)

// Listen is stream, and what passes through it is looked through for such events. It
// keeps at most the beginning of one line, and nothing between events.
func (l *Limits) Listen(stream io.ReadCloser) io.ReadCloser {
	return &limitListener{ReadCloser: stream, limits: l}
}

type limitListener struct {
	io.ReadCloser
	limits *Limits
	line   []byte // of which the end is still to come
	long   bool   // it is no event of ours
}

func (r *limitListener) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.saw(p[:n])
	return n, err
}

func (r *limitListener) saw(text []byte) {
	for len(text) > 0 {
		part, rest, ended := bytes.Cut(text, []byte("\n"))
		text = rest
		line := part
		switch {
		case len(r.line)+len(part) > maxLimitEvent:
			r.line, r.long = nil, true
		case !ended && !r.long:
			r.line = append(r.line, part...)
		case len(r.line) > 0:
			line = append(r.line, part...)
		}
		if !ended {
			return
		}
		if !r.long && bytes.Contains(line, limitEvent) {
			r.limits.learnEvent(line, time.Now())
		}
		r.line, r.long = nil, false
	}
}

// limitWindow is one window in an event; nil is not said.
type limitWindow struct {
	Used  *float64 `json:"used_percent"`
	In    *float64 `json:"reset_after_seconds"`
	Reset *float64 `json:"reset_at"` // Unix seconds
}

// learnEvent reads the line of an event. One that is about another limit than the
// account's is passed over.
func (l *Limits) learnEvent(line []byte, now time.Time) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	var event struct {
		Type   string `json:"type"`
		Name   string `json:"limit_name"`
		Meter  string `json:"metered_limit_name"`
		Limits struct {
			Primary   *limitWindow `json:"primary"`
			Secondary *limitWindow `json:"secondary"`
		} `json:"rate_limits"`
	}
	if !ok || json.Unmarshal(data, &event) != nil || event.Type != "codex.rate_limits" {
		return
	}
	if own := func(name string) bool { return name != "" && name != "codex" }; own(event.Name) || own(event.Meter) {
		return
	}
	for i, w := range []*limitWindow{event.Limits.Primary, event.Limits.Secondary} {
		if w == nil || w.Used == nil {
			continue
		}
		in := -1.0
		switch {
		case w.In != nil:
			in = *w.In
		case w.Reset != nil:
			in = *w.Reset - float64(now.Unix())
		}
		l.learn(i, *w.Used, in, now)
	}
}
