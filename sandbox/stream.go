package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// handleResponses judges a prompt and streams the answer that is due.
func (s *Server) handleResponses(w http.ResponseWriter, r *http.Request, call backendCall) {
	p, refused := s.read(call.body, call.user, overHTTP)
	if refused == nil {
		refused = checkLite(r.Header, p.model)
	}
	if refused != nil {
		s.refuseBody(w, refused)
		return
	}
	t, refused := s.due(p)
	if refused != nil {
		writeJSON(w, refused.Status, refused.body())
		return
	}
	if s.answerInstead(w, t, call.user) {
		return
	}
	if call.faults.has("backend-no-content-type") || t.has("no-type") {
		w.Header()["Content-Type"] = nil // stops net/http from guessing one
	} else {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	w.Header().Set("Cache-Control", "no-store")
	out := newEventStream(w, t)
	_ = s.answerTo(p, call.user, t).send(r.Context(), out, call.faults) // the client has gone, or was cut off
}

// read judges a body and what it replays.
func (s *Server) read(body []byte, user User, of dialect) (*prompt, *BodyError) {
	p, refused := readBody(body, s.Models(), of)
	if refused == nil {
		refused = s.checkSealed(p, user.AccountID)
	}
	if refused != nil {
		return nil, refused
	}
	return p, nil
}

func (s *Server) refuseBody(w http.ResponseWriter, refused *BodyError) {
	s.count(func(c *Counters) { c.BackendRefused++ })
	writeJSON(w, refused.Status, refused.body())
}

// checkLite refuses the short dialect of the official CLI for models without it.
func checkLite(h http.Header, m Model) *BodyError {
	if h.Get("x-openai-internal-codex-responses-lite") == "true" && !m.Lite {
		return refuseDetail("model", "This model is not supported when using X-OpenAI-Internal-Codex-Responses-Lite")
	}
	return nil
}

// answerInstead answers what a script puts in the place of an answer.
func (s *Server) answerInstead(w http.ResponseWriter, t turn, user User) bool {
	status, body := s.instead(t, user)
	if status == 0 {
		return false
	}
	if page := t.find("html"); page != nil {
		gatewayPage(w, status)
		return true
	}
	if t.find("limit") != nil {
		for _, which := range []string{"primary", "secondary"} {
			w.Header().Set("x-codex-"+which+"-used-percent", "100.0")
		}
	}
	writeJSON(w, status, body)
	return true
}

// instead is the status and the body that a script puts in the place of an
// answer; 0 is none.
func (s *Server) instead(t turn, user User) (status int, body object) {
	if len(t) == 0 {
		return 0, nil
	}
	switch first := t[0]; first.verb {
	case "limit":
		left := time.Duration(first.n) * time.Second
		if left == 0 {
			left = time.Hour
		}
		s.mu.Lock()
		now := s.now()
		s.mu.Unlock()
		e := object{"type": "usage_limit_reached", "message": usageLimitWords}
		limitFields(e, user, now, left)
		return http.StatusTooManyRequests, object{"error": e}
	case "status":
		message := first.text
		if message == "" {
			message = failureWords()[first.name]
		}
		return first.n, object{"error": object{"message": message, "type": kindOfFailure(first.name), "param": nil, "code": first.name}}
	case "detail":
		return first.n, object{"detail": first.text}
	case "html":
		return first.n, object{"detail": reasonPhrase(first.n)}
	}
	return 0, nil
}

// A sink takes an answer: a stream of server-sent events or a WebSocket.
type sink interface {
	event(object) error
	raw(text string) error
	bulk(e object, from, times int) error // the same event many times
	cut()
}

var errCut = errors.New("the connection was cut, as it was told")

// send plays the frames of an answer.
func (a *answer) send(ctx context.Context, out sink, faults hits) error {
	var pace time.Duration
	if s := a.turn.find("pace"); s != nil {
		pace = s.wait
	}
	number := 0
	for i, f := range a.frames {
		if i == 1 && faults.has("backend-drop") {
			out.cut()
			return errCut
		}
		if pause := max(f.wait, pace); pause > 0 && !sleep(ctx, pause) {
			return ctx.Err()
		}
		var err error
		switch {
		case f.cut:
			out.cut()
			return errCut
		case f.raw != "":
			err = out.raw(f.raw)
		case f.times > 0:
			err = out.bulk(f.event, number, f.times)
			number += f.times
		case f.event != nil:
			if _, given := f.event["sequence_number"]; !given {
				f.event["sequence_number"] = number
			}
			number++
			err = out.event(f.event)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// An eventStream writes server-sent events, each at once.
type eventStream struct {
	w       http.ResponseWriter
	flush   *http.ResponseController
	newline string
	names   bool
	begin   string // before the first byte
}

func newEventStream(w http.ResponseWriter, t turn) *eventStream {
	out := &eventStream{w: w, flush: http.NewResponseController(w), newline: "\n", names: !t.has("no-names")}
	if t.has("crlf") {
		out.newline = "\r\n"
	}
	if t.has("bom") {
		out.begin = "\ufeff"
	}
	return out
}

func (o *eventStream) raw(text string) error {
	if _, err := fmt.Fprint(o.w, o.begin, text); err != nil {
		return err
	}
	o.begin = ""
	return o.flush.Flush()
}

func (o *eventStream) event(e object) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return o.raw(o.name(e) + "data: " + string(data) + o.newline + o.newline)
}

func (o *eventStream) name(e object) string {
	if !o.names {
		return ""
	}
	return fmt.Sprintf("event: %v%s", e["type"], o.newline)
}

// bulk writes as fast as the client reads: only the number changes, and nothing
// is flushed before the buffer is full.
func (o *eventStream) bulk(e object, from, times int) error {
	e["sequence_number"] = 0
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	const field = `"sequence_number":`
	before, after, _ := bytes.Cut(data, []byte(field+"0"))
	head := o.begin + o.name(e) + "data: " + string(before) + field
	tail := string(after) + o.newline + o.newline
	o.begin = ""
	buf := bufio.NewWriterSize(o.w, 64<<10)
	var frame []byte
	for i := range times {
		frame = append(strconv.AppendInt(append(frame[:0], head...), int64(from+i), 10), tail...)
		if _, err := buf.Write(frame); err != nil {
			return err
		}
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	return o.flush.Flush()
}

func (o *eventStream) cut() { drop(o.w) }
