package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// stream returns what the backend sent in a case.
func stream(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "streams", name+".sse"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func newSource(sse string) *source {
	return &source{frames: frameReader{src: strings.NewReader(sse)}}
}

// drainFrames writes an answer out as a client gets it.
func drainFrames(w frameWriter) (string, error) {
	var out bytes.Buffer
	for {
		b, err := w.next()
		out.Write(b)
		if err != nil {
			return out.String(), err
		}
	}
}

func chatStreamOf(sse string, req *Request) (string, error) {
	return drainFrames(newChatStream(newSource(sse), req))
}

func responsesStreamOf(sse string, req *Request) (string, error) {
	return drainFrames(newResponsesStream(newSource(sse), req))
}

func asked() *Request { return &Request{Model: "gpt-5.5"} }

// fixed takes out of an answer what is by chance and by the clock.
func fixed(out string) string {
	out = regexp.MustCompile(`"id":"(chatcmpl-|resp_)[A-Z2-7]{26}"`).ReplaceAllString(out, `"id":"${1}RANDOM"`)
	return regexp.MustCompile(`"(created|created_at)":\d+`).ReplaceAllStringFunc(out, func(m string) string {
		if strings.HasSuffix(m, ":1700000000") { // the backend's
			return m
		}
		return m[:strings.Index(m, ":")] + ":0"
	})
}

// dataOfFrames returns the data of each event, decoded by what a client uses.
func dataOfFrames(t testing.TB, out string) (all []map[string]any, done bool) {
	t.Helper()
	for _, f := range framesOf(t, out) {
		if f == "[DONE]" {
			done = true
			continue
		}
		if done {
			t.Fatalf("after [DONE]: %s", f)
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(f), &m); err != nil {
			t.Fatalf("no JSON: %v\n%s", err, f)
		}
		all = append(all, m)
	}
	return all, done
}

// framesOf splits a stream as the simplest of clients does: at LF alone.
func framesOf(t testing.TB, out string) (data []string) {
	t.Helper()
	if out != "" && !strings.HasSuffix(out, "\n\n") {
		t.Fatalf("the last frame is not whole: %q", out[max(0, len(out)-80):])
	}
	for _, frame := range strings.Split(out, "\n\n") {
		var lines []string
		for _, line := range strings.Split(frame, "\n") {
			if rest, ok := strings.CutPrefix(line, "data: "); ok {
				lines = append(lines, rest)
			}
		}
		if lines != nil {
			data = append(data, strings.Join(lines, "\n"))
		}
	}
	return data
}

// get follows names and indices into a decoded value; nil if there is nothing.
func get(v any, way ...any) any {
	for _, step := range way {
		switch at := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[at]
		case int:
			list, _ := v.([]any)
			if at < 0 {
				at += len(list)
			}
			if at < 0 || at >= len(list) {
				return nil
			}
			v = list[at]
		}
	}
	return v
}

func holds(m map[string]any, key string) bool { _, ok := m[key]; return ok }

// chatSum is what a client makes of a chat stream.
type chatSum struct {
	content, refusal, thoughts, finish string
	calls                              []chatSumCall
	chunks                             []map[string]any
	done                               bool
	failure                            any
	annotations                        any
}

type chatSumCall struct{ id, kind, name, input string }

// sumChat adds up a chat stream and checks what every one has to keep to.
func sumChat(t testing.TB, out string) (s chatSum) {
	t.Helper()
	s.chunks, s.done = dataOfFrames(t, out)
	for i, c := range s.chunks {
		if e := c["error"]; holds(c, "error") {
			s.failure = e
			if code, ok := get(e, "code").(string); !ok || code == "" {
				t.Errorf("an error without a code: %v", e)
			}
			if i != len(s.chunks)-1 {
				t.Errorf("something follows the error")
			}
			continue
		}
		if c["object"] != "chat.completion.chunk" || c["id"] != s.chunks[0]["id"] || c["model"] == nil || c["created"] == nil {
			t.Errorf("chunk %d: %v", i, c)
		}
		choices, ok := c["choices"].([]any)
		if !ok || len(choices) > 1 {
			t.Fatalf("chunk %d has no choices: %v", i, c)
		}
		if len(choices) == 0 {
			continue
		}
		if s.finish != "" {
			t.Errorf("after the finish chunk: %v", c)
		}
		delta, _ := get(choices, 0, "delta").(map[string]any)
		if role := delta["role"]; (i == 0) != (role == "assistant") || i > 0 && holds(delta, "role") {
			t.Errorf("chunk %d: role %v", i, role)
		}
		s.add(t, delta)
		if f, ok := get(choices, 0, "finish_reason").(string); ok {
			s.finish = f
			if len(delta) != 0 {
				t.Errorf("the finish chunk says more: %v", delta)
			}
		}
	}
	return s
}

func (s *chatSum) add(t testing.TB, delta map[string]any) {
	text := func(name string) string { v, _ := delta[name].(string); return v }
	s.content += text("content")
	s.refusal += text("refusal")
	s.thoughts += text("reasoning_content")
	if a := delta["annotations"]; a != nil {
		s.annotations = a
	}
	list, _ := delta["tool_calls"].([]any)
	for _, tc := range list {
		n, ok := get(tc, "index").(float64)
		if !ok || int(n) > len(s.calls) {
			t.Fatalf("a call without its index: %v", tc)
		}
		if int(n) == len(s.calls) {
			c := chatSumCall{}
			c.id, _ = get(tc, "id").(string)
			c.kind, _ = get(tc, "type").(string)
			c.name, _ = get(tc, c.kind, "name").(string)
			if c.id == "" || c.kind == "" || c.name == "" {
				t.Errorf("a call begins without id, type or name: %v", tc)
			}
			s.calls = append(s.calls, c)
		} else if get(tc, "id") != nil || get(tc, "type") != nil {
			t.Errorf("a call's id comes again: %v", tc)
		}
		c := &s.calls[int(n)]
		for _, way := range [][2]string{{"function", "arguments"}, {"custom", "input"}} {
			piece, _ := get(tc, way[0], way[1]).(string)
			c.input += piece
		}
	}
}

// checkResponses checks what every Responses stream has to keep to, as strict SDKs
// do, and returns its events.
func checkResponses(t testing.TB, out string, good bool) []map[string]any {
	t.Helper()
	events, _ := dataOfFrames(t, out)
	last, id, open := -1.0, any(nil), map[any]bool{}
	for i, e := range events {
		typ, _ := e["type"].(string)
		if i == 0 && typ != "response.created" {
			t.Errorf("the first event is %s", typ)
		}
		if holds(e, "error") != (typ == "error") {
			t.Errorf("%s: has it a member error? %v", typ, holds(e, "error"))
		}
		if n, ok := e["sequence_number"].(float64); ok {
			if last >= 0 && n != last+1 {
				t.Errorf("%s has number %v after %v", typ, n, last)
			}
			last = n
		}
		if r := e["response"]; r != nil {
			if id == nil {
				id = get(r, "id")
			}
			if get(r, "id") != id || id == "" {
				t.Errorf("%s: id %v, was %v", typ, get(r, "id"), id)
			}
		}
		switch typ {
		case "response.output_item.added":
			open[e["output_index"]] = true
		case "response.output_item.done":
			delete(open, e["output_index"])
		case "response.completed", "response.incomplete":
			if _, ok := get(e, "response", "usage").(map[string]any); !ok {
				t.Errorf("usage is %v", get(e, "response", "usage"))
			}
			if i != len(events)-1 {
				t.Errorf("something follows %s", typ)
			}
			if good && len(open) > 0 {
				t.Errorf("items never done: %v", open)
			}
		}
	}
	return events
}

func lastOf(events []map[string]any) map[string]any {
	if len(events) == 0 {
		return nil
	}
	return events[len(events)-1]
}

func isBroken(err error) bool {
	var e *Error
	return errors.Is(err, ErrInterrupted) && errors.As(err, &e) && e.Status >= 400 && !errors.Is(err, io.EOF)
}
