package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A frame is what an answer sends next; one of its fields is set.
type frame struct {
	event object
	raw   string        // bytes of the stream as they are
	times int           // how often the event is sent, unless 0: in bulk, not one by one
	wait  time.Duration // before the next frame
	cut   bool          // close the connection
}

type object = map[string]any

// An answer is made of a turn, frame by frame.
type answer struct {
	s       *Server
	p       *prompt
	user    User
	turn    turn
	id      string
	created time.Time
	frames  []frame
	places  int   // taken in the output
	output  []any // the items that are done
	said    int   // tokens
	thought int   // tokens of reasoning
	begun   bool  // the events that open a response have been sent
	ended   bool
	calls   []call // those that wait to be interleaved
}

// answerTo makes the answer to a prompt.
func (s *Server) answerTo(p *prompt, user User, t turn) *answer {
	s.mu.Lock()
	now := s.now()
	s.mu.Unlock()
	a := &answer{s: s, p: p, user: user, turn: t, id: s.random.token("resp_"), created: now}
	for _, st := range t {
		if !isCall(st.verb) {
			a.flushCalls()
		}
		a.play(st)
	}
	a.flushCalls()
	if !a.ended {
		a.finish("response.completed", "completed", nil)
	}
	return a
}

func (a *answer) add(events ...object) {
	for _, e := range events {
		a.frames = append(a.frames, frame{event: e})
	}
}

// begin sends what opens a response, with the events of the service's own that
// strict clients do not know.
func (a *answer) begin() {
	if a.begun {
		return
	}
	a.begun = true
	if !a.turn.has("no-created") {
		a.add(object{"type": "response.created", "response": a.response("in_progress")})
	}
	a.add(
		object{"type": "codex.rate_limits", "plan_type": a.user.Plan, "rate_limits": object{
			"allowed": true, "limit_reached": false,
			"primary":   object{"used_percent": 12.5, "window_minutes": 300, "reset_after_seconds": 3600},
			"secondary": object{"used_percent": 3.0, "window_minutes": 10080, "reset_after_seconds": 86400},
		}},
		object{"type": "response.in_progress", "response": a.response("in_progress")},
	)
}

// play sends what one step asks for.
func (a *answer) play(s step) {
	if a.ended {
		return
	}
	switch s.verb {
	case "error", "raw", "comment", "wait", "cut", "end", "half": // these may come before everything
	default:
		if s.makesOutput() {
			a.begin()
		}
	}
	switch s.verb {
	case "text", "commentary", "final", "bare", "refuse", "echo", "json", "cite", "big", "flood":
		a.message(s)
	case "reasoning":
		a.reasoning(s.text)
	case "tool", "tool-done", "tool-item", "custom", "custom-done":
		a.calls = append(a.calls, a.newCall(s))
		if !a.turn.has("interleave") {
			a.flushCalls()
		}
	case "search":
		a.search(s.text)
	case "image":
		a.image(s.size)
	case "event":
		var e object
		_ = json.Unmarshal([]byte(s.text), &e) // parseScript has read it
		a.add(e)
	case "raw":
		a.frames = append(a.frames, frame{raw: s.text})
	case "comment":
		a.frames = append(a.frames, frame{raw: ": " + strings.ReplaceAll(s.text, "\n", " ") + "\n\n"})
	case "wait":
		a.frames = append(a.frames, frame{wait: s.wait})
	default:
		a.end(s)
	}
}

// makesOutput says whether a response must have begun.
func (s step) makesOutput() bool {
	return !slices.Contains([]string{"interleave", "full-output", "no-usage", "done", "twice", "shift-ids", "other-id", "no-created", "no-type", "no-names", "bom", "crlf", "pace", "event"}, s.verb)
}

// end sends the end that a step asks for; the words for manner end nothing.
func (a *answer) end(s step) {
	switch s.verb {
	case "incomplete":
		a.finish("response.incomplete", "incomplete", object{"incomplete_details": object{"reason": s.name}})
	case "fail":
		a.finish("response.failed", "failed", object{"error": a.failure(s), "usage": nil})
	case "error":
		e := a.failure(s)
		e["type"], e["param"] = kindOfFailure(e["code"].(string)), nil
		a.add(object{"type": "error", "error": e})
		a.ended = true
	case "half":
		a.frames = append(a.frames, frame{raw: `event: response.output_text.delta` + "\n" + `data: {"type":"response.output_text.delta","delta":"ha`})
		a.ended = true
	case "end":
		a.ended = true
	case "cut":
		a.frames = append(a.frames, frame{cut: true})
		a.ended = true
	}
}

// finish sends the event that ends a response.
func (a *answer) finish(event, status string, more object) {
	a.begin()
	a.ended = true
	body := a.response(status)
	for key, value := range more {
		body[key] = value
	}
	if a.turn.has("other-id") {
		body["id"] = a.s.random.token("resp_")
	}
	if event == "response.completed" && a.turn.has("done") {
		event = "response.done"
	}
	a.add(object{"type": "responsesapi.timing", "timing": object{"duration_ms": 1}})
	a.add(object{"type": event, "response": body})
	if a.turn.has("twice") {
		a.add(object{"type": event, "response": body})
	}
}

// response is the object that opens and ends an answer. What was put out is not
// in it: nothing is stored.
func (a *answer) response(status string) object {
	body := object{
		"id": a.id, "object": "response", "created_at": a.created.Unix(), "status": status, "model": a.p.model.Slug,
		"output": []any{}, "error": nil, "incomplete_details": nil, "instructions": nil, "metadata": object{},
		"parallel_tool_calls": a.p.fields["parallel_tool_calls"] == true, "tool_choice": "auto", "tools": []any{}, "temperature": 1, "top_p": 1, "store": false,
		"usage": nil, "service_tier": a.tier(), "max_output_tokens": nil, "previous_response_id": nil, "truncation": "disabled", "background": false,
	}
	if status == "completed" || status == "incomplete" {
		if !a.turn.has("no-usage") {
			body["usage"] = a.usage()
		}
		if a.turn.has("full-output") {
			body["output"] = append([]any{}, a.output...)
		}
	}
	return body
}

func (a *answer) tier() string {
	if tier, _ := a.p.fields["service_tier"].(string); tier != "" {
		return tier
	}
	return "default"
}

// usage counts words for tokens.
func (a *answer) usage() object {
	in := 0
	for _, item := range a.p.input {
		in += words(contentText(item["content"])) + words(contentText(item["output"]))
	}
	return object{
		"input_tokens": in, "input_tokens_details": object{"cached_tokens": 0},
		"output_tokens": a.said + a.thought, "output_tokens_details": object{"reasoning_tokens": a.thought},
		"total_tokens": in + a.said + a.thought,
	}
}

func words(text string) int { return len(strings.Fields(text)) }

// failureWords are what the service says of its codes.
func failureWords() map[string]string {
	return map[string]string{
		"server_is_overloaded":    "Our servers are currently overloaded. Please try again later.",
		"slow_down":               "Too many requests at once. Please slow down.",
		"context_length_exceeded": "Your input exceeds the context window of this model. Please adjust your input and try again.",
		"usage_limit_reached":     usageLimitWords,
		"rate_limit_exceeded":     "Rate limit reached. Please try again in 1.5s.",
		"insufficient_quota":      "You exceeded your current quota, please check your plan and billing details.",
		"server_error":            "An error occurred while processing your request. You can retry your request.",
	}
}

const usageLimitWords = "The usage limit has been reached"

// failure is the error object of a step, whose code may be one of three short words.
func (a *answer) failure(s step) object {
	code := s.name
	if long, ok := map[string]string{"overloaded": "server_is_overloaded", "context": "context_length_exceeded", "limit": "usage_limit_reached"}[code]; ok {
		code = long
	}
	message := s.text
	if message == "" {
		message = failureWords()[code]
	}
	if message == "" {
		message = "The sandbox was told to fail."
	}
	e := object{"code": code, "message": message}
	if code == "usage_limit_reached" {
		limitFields(e, a.user, a.created, time.Hour)
	}
	return e
}

// limitFields are what a usage limit says of itself.
func limitFields(e object, user User, now time.Time, left time.Duration) {
	e["plan_type"], e["resets_at"], e["resets_in_seconds"] = user.Plan, now.Add(left).Unix(), int(left/time.Second)
}

// kindOfFailure is the type that goes with a code in an event of type error.
func kindOfFailure(code string) string {
	switch code {
	case "server_is_overloaded", "slow_down":
		return "service_unavailable_error"
	case "usage_limit_reached":
		return code
	case "rate_limit_exceeded", "insufficient_quota":
		return "tokens"
	case "server_error":
		return code
	default:
		return "invalid_request_error"
	}
}
