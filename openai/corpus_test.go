package openai

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
)

var testModels = sync.OnceValue(func() *Models {
	body, err := os.ReadFile("testdata/models.json")
	if err != nil {
		panic(err)
	}
	m, err := ParseModels(body)
	if err != nil {
		panic(err)
	}
	return m
})

// A recorded request is one that a real client sent.
type recorded struct {
	Name, Method, Path string
	Body               json.RawMessage
}

// corpus reads the recorded requests. Lists of tools that several have in common
// stand at the beginning, once.
func corpus(t testing.TB) (all []recorded) {
	t.Helper()
	file, err := os.ReadFile("testdata/corpus.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	shared := []string{}
	for line := range bytes.Lines(file) {
		var share struct {
			Share string
			Value json.RawMessage
		}
		if json.Unmarshal(line, &share) == nil && share.Share != "" {
			shared = append(shared, `"tools":"`+share.Share+`"`, `"tools":`+string(share.Value))
			continue
		}
		var r recorded
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	whole := strings.NewReplacer(shared...)
	for i := range all {
		all[i].Body = []byte(whole.Replace(string(all[i].Body)))
	}
	return all
}

func (r recorded) api() API {
	if strings.HasSuffix(r.Path, "/responses") {
		return Responses
	}
	return ChatCompletions
}

// remembering is a memory of what the recorded clients refer to.
func remembering() *Recall {
	recall := NewMemory(1<<20, 1<<40).For("k")
	recall.Remember(&Request{API: Responses, stored: true, input: []json.RawMessage{json.RawMessage(`{"type":"message","role":"user","content":[{"type":"input_text","text":"ping"}]}`)}},
		"resp_0001", []json.RawMessage{
			json.RawMessage(`{"type":"reasoning","id":"rs_0001","summary":[],"encrypted_content":"gAAAAAB"}`),
			json.RawMessage(`{"type":"message","id":"msg_0002","status":"completed","role":"assistant","content":[{"type":"output_text","text":"pong","annotations":[],"logprobs":[]}]}`),
			json.RawMessage(`{"type":"function_call","id":"fc_0002","call_id":"call_0003","name":"bash","arguments":"{}"}`),
		}[:2])
	return recall
}

// What real clients send passes the backend, and what they sent is in it.
func TestRecordedRequestsAreTaken(t *testing.T) {
	seen := 0
	for _, r := range corpus(t) {
		if len(r.Body) == 0 {
			continue // the list of models
		}
		seen++
		t.Run(r.Name, func(t *testing.T) {
			c := Context{Models: testModels(), Recall: remembering(), CacheKey: "seed"}
			parse := ParseChat
			if r.api() == Responses {
				parse = ParseResponses
			}
			req, err := parse(r.Body, c)
			if r.Name == "openai/chat-json" { // it asks for JSON and never says the word: OpenAI refuses it, too
				wantError(t, err, 400, "response_format", "invalid_value")
				return
			}
			if err != nil {
				t.Fatalf("refused: %v\n%s", err, r.Body)
			}
			if err := backend(req.Body, r.api()); err != nil {
				t.Fatalf("the backend refuses: %v\n%s", err, req.Body)
			}
			again, err := ParseResponses(req.Body, c)
			if err != nil || !bytes.Equal(again.Body, req.Body) {
				t.Errorf("what is sent does not read as itself: %v\n%s", err, again.Body)
			}
			unknown, err := parse(r.Body, Context{Recall: c.Recall})
			if err != nil {
				t.Errorf("refused without a list of models: %v", err)
			} else if err := backend(unknown.Body, r.api()); err != nil && !strings.HasPrefix(err.Error(), "effort") {
				t.Errorf("without a list of models the backend refuses: %v", err)
			}
		})
	}
	if seen != 114 {
		t.Errorf("%d requests with a body; there are 114 of 117", seen)
	}
}

// Tools of Responses pass byte for byte.
func TestRecordedToolsKeepTheirBytes(t *testing.T) {
	for _, r := range corpus(t) {
		var sent struct{ Tools json.RawMessage }
		if r.api() != Responses || json.Unmarshal(r.Body, &sent) != nil || isHollow(sent.Tools) || sent.Tools == nil {
			continue
		}
		req, err := ParseResponses(r.Body, Context{Models: testModels(), Recall: remembering()})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(req.Body, sent.Tools) {
			t.Errorf("%s: the tools were written again", r.Name)
		}
	}
}
