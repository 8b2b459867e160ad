package openai

import (
	"encoding/json"
	"strings"
	"testing"
)

// What a chat client got, sent back as history, says to the backend what it said.
func TestChatAnswerSentBackIsTheSameItems(t *testing.T) {
	for _, name := range []string{"061-output-empty", "062-tool-call-output-empty", "067-spark-done-only", "073-parallel-interleaved", "076-custom-tool", "077-text-then-call", "202-refusal"} {
		t.Run(name, func(t *testing.T) {
			sse := stream(t, name)
			answer, err := answerChat(newSource(sse), asked())
			if err != nil {
				t.Fatal(err)
			}
			messages := []any{map[string]any{"role": "user", "content": "hi"}, messageOf(t, answer)}
			calls, _ := get(messages[1], "tool_calls").([]any)
			for _, c := range calls {
				messages = append(messages, map[string]any{"role": "tool", "tool_call_id": get(c, "id"), "content": "done"})
			}
			body, _ := json.Marshal(map[string]any{"model": "gpt-5.5", "messages": append(messages, map[string]any{"role": "user", "content": "go on"})})
			req, err := ParseChat(body, Context{})
			if err != nil {
				t.Fatal(err)
			}
			whole, err := answerResponses(newSource(sse), asked())
			if err != nil {
				t.Fatal(err)
			}
			want(t, "what was said", gist(t, req.Body, "input"), gist(t, whole, "output"))
		})
	}
}

func messageOf(t *testing.T, answer []byte) any {
	t.Helper()
	var a any
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatal(err)
	}
	return get(a, "choices", 0, "message")
}

// gist is what the model said: its words and its calls, in their order.
func gist(t *testing.T, body []byte, list string) (said []string) {
	t.Helper()
	var b map[string]any
	if err := json.Unmarshal(body, &b); err != nil {
		t.Fatal(err)
	}
	for _, it := range b[list].([]any) {
		word := func(key string) string { s, _ := get(it, key).(string); return s }
		switch typ := word("type"); {
		case (typ == "message" || typ == "") && word("role") == "assistant":
			parts, _ := get(it, "content").([]any)
			for _, p := range parts {
				text, _ := get(p, "text").(string)
				refusal, _ := get(p, "refusal").(string)
				said = append(said, get(p, "type").(string)+" "+text+refusal)
			}
		case strings.HasSuffix(typ, "_call"):
			said = append(said, strings.Join([]string{typ, word("call_id"), word("name"), word("arguments"), word("input")}, "|"))
		}
	}
	return said
}

// What a Responses client got, sent back whole, is taken, and says the same.
func TestResponsesOutputSentBackIsTheSameItems(t *testing.T) {
	for _, name := range []string{"061-output-empty", "062-tool-call-output-empty", "076-custom-tool", "077-text-then-call", "204-phases"} {
		whole, err := answerResponses(newSource(stream(t, name)), asked())
		if err != nil {
			t.Fatal(err)
		}
		var r map[string]any
		json.Unmarshal(whole, &r)
		input := r["output"].([]any)
		for _, it := range r["output"].([]any) {
			if typ := get(it, "type").(string); strings.HasSuffix(typ, "_call") {
				input = append(input, map[string]any{"type": typ + "_output", "call_id": get(it, "call_id"), "output": "done"})
			}
		}
		body, _ := json.Marshal(map[string]any{"model": "gpt-5.5", "input": append(input, map[string]any{"role": "user", "content": "go on"})})
		req, err := ParseResponses(body, Context{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want(t, name, gist(t, req.Body, "input"), gist(t, whole, "output"))
		if hasReasoning := strings.Contains(string(whole), "gAAAA-opaque"); hasReasoning != strings.Contains(string(req.Body), "gAAAA-opaque") {
			t.Errorf("%s: the reasoning is lost", name)
		}
	}
}
