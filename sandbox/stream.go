package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// handleResponses checks a prompt and streams a reply that echoes its last
// message of the user.
func (s *Server) handleResponses(w http.ResponseWriter, _ *http.Request, call backendCall) {
	prompt, field, message := checkPrompt(call.body)
	if message != "" {
		writeJSON(w, http.StatusBadRequest, map[string]any{
			"detail": message,
			"error":  map[string]any{"message": message, "type": "invalid_request_error", "param": field, "code": "invalid_request"},
		})
		return
	}
	if call.faults.has("backend-no-content-type") {
		w.Header()["Content-Type"] = nil // stops net/http from guessing one
	} else {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	w.Header().Set("Cache-Control", "no-store")
	reply := s.newReply(prompt, call.user)
	out := &eventStream{w: w, flush: http.NewResponseController(w)}
	for i, event := range reply.events() {
		if i == 1 && call.faults.has("backend-drop") {
			drop(w)
			return
		}
		if out.send(event) != nil {
			return // the client has gone
		}
	}
}

// An eventStream writes server-sent events, each at once.
type eventStream struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	sent  int
}

func (e *eventStream) send(event map[string]any) error {
	event["sequence_number"] = e.sent
	e.sent++
	data, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.w, "event: %s\ndata: %s\n\n", event["type"], data); err != nil {
		return err
	}
	return e.flush.Flush()
}

// A reply is one answer of the model.
type reply struct {
	id, item, model, text string
	created               time.Time
	user                  User
}

// newReply answers a prompt that was checked.
func (s *Server) newReply(prompt map[string]any, user User) reply {
	s.mu.Lock()
	now := s.now()
	s.mu.Unlock()
	return reply{
		id: s.random.token("resp_"), item: s.random.token("msg_"), model: prompt["model"].(string),
		text: lastUserText(prompt["input"].([]any)), created: now, user: user,
	}
}

// events are the stream, with one codex.* event as the backend mixes in, which
// strict clients do not know.
func (r reply) events() []map[string]any {
	at := func(kind string, more map[string]any) map[string]any {
		more["type"], more["item_id"], more["output_index"], more["content_index"] = kind, r.item, 0, 0
		return more
	}
	events := []map[string]any{
		{"type": "response.created", "response": r.response("in_progress")},
		{"type": "codex.rate_limits", "plan_type": r.user.Plan, "rate_limits": map[string]any{
			"allowed": true, "limit_reached": false,
			"primary":   map[string]any{"used_percent": 12.5, "window_minutes": 300, "reset_after_seconds": 3600},
			"secondary": map[string]any{"used_percent": 3.0, "window_minutes": 10080, "reset_after_seconds": 86400},
		}},
		{"type": "response.in_progress", "response": r.response("in_progress")},
		{"type": "response.output_item.added", "output_index": 0, "item": r.message("in_progress")},
		at("response.content_part.added", map[string]any{"part": textPart("")}),
	}
	for _, piece := range pieces(r.text) {
		events = append(events, at("response.output_text.delta", map[string]any{"delta": piece, "logprobs": []any{}}))
	}
	return append(events,
		at("response.output_text.done", map[string]any{"text": r.text, "logprobs": []any{}}),
		at("response.content_part.done", map[string]any{"part": textPart(r.text)}),
		map[string]any{"type": "response.output_item.done", "output_index": 0, "item": r.message("completed")},
		map[string]any{"type": "response.completed", "response": r.response("completed")},
	)
}

func textPart(text string) map[string]any {
	return map[string]any{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

func (r reply) message(status string) map[string]any {
	content := []any{}
	if status == "completed" {
		content = append(content, textPart(r.text))
	}
	return map[string]any{"id": r.item, "type": "message", "role": "assistant", "status": status, "content": content}
}

func (r reply) response(status string) map[string]any {
	body := map[string]any{
		"id": r.id, "object": "response", "created_at": r.created.Unix(), "status": status, "model": r.model,
		"output": []any{}, "error": nil, "incomplete_details": nil, "instructions": nil, "metadata": map[string]any{},
		"parallel_tool_calls": false, "tool_choice": "auto", "tools": []any{}, "temperature": 1, "top_p": 1, "store": false,
		"usage": nil,
	}
	if status == "completed" {
		words := len(strings.Fields(r.text))
		body["output"] = []any{r.message(status)}
		body["usage"] = map[string]any{
			"input_tokens": words, "input_tokens_details": map[string]any{"cached_tokens": 0},
			"output_tokens": words, "output_tokens_details": map[string]any{"reasoning_tokens": 0},
			"total_tokens": 2 * words,
		}
	}
	return body
}

// lastUserText is the text of the last message of the user, which is what an
// agent's user typed; what comes before it is the agent's own.
func lastUserText(input []any) string {
	for i := len(input) - 1; i >= 0; i-- {
		item, _ := input[i].(map[string]any)
		if item["role"] != "user" {
			continue
		}
		if text := contentText(item["content"]); text != "" {
			return text
		}
	}
	return "(nothing to echo)"
}

// contentText joins the text of a message's content: a string or a list of parts.
func contentText(content any) string {
	if text, ok := content.(string); ok {
		return text
	}
	var text strings.Builder
	parts, _ := content.([]any)
	for _, p := range parts {
		part, _ := p.(map[string]any)
		piece, _ := part["text"].(string)
		text.WriteString(piece)
	}
	return text.String()
}

// pieces cuts text into at most some thirty deltas of whole runes.
func pieces(text string) []string {
	runes := []rune(text)
	size := max(12, (len(runes)+31)/32)
	var out []string
	for len(runes) > 0 {
		n := min(size, len(runes))
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}
