package sandbox_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// scripted asks with a script in the prompt and returns what comes.
func (r *rig) scripted(script, fields string) reply {
	r.t.Helper()
	body := base()
	if fields != "" {
		if err := json.Unmarshal([]byte(fields), &body); err != nil {
			r.t.Fatal(err)
		}
	}
	if script != "" {
		body["input"] = append(body["input"].([]any), map[string]any{"role": "user", "content": "Do as told.\nsandbox: " + script + "\n"})
	}
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.ask(r.Issue(sandbox.User{}), string(text))
}

// kinds are the types of events in order, repeated ones once.
func kinds(list []map[string]any) string {
	var out []string
	for _, e := range list {
		kind := strings.TrimPrefix(fmt.Sprint(e["type"]), "response.")
		if len(out) == 0 || out[len(out)-1] != kind {
			out = append(out, kind)
		}
	}
	return strings.Join(out, " ")
}

const (
	opening = "created codex.rate_limits in_progress "
	said    = "output_item.added content_part.added output_text.delta output_text.done content_part.done output_item.done "
	closing = "responsesapi.timing completed"
	called  = "output_item.added function_call_arguments.delta function_call_arguments.done output_item.done "
)

func TestAnswers(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	const spark, thinks = `{"model":"gpt-5.3-codex-spark"}`, `{"reasoning":{"summary":"auto"},"include":["reasoning.encrypted_content"]}`
	for _, c := range []struct{ script, fields, kinds, holds string }{
		{"text hello", "", opening + said + closing, `"output":[]`},
		{`text "a;b\u2028c"`, "", opening + said + closing, "\"text\":\"a;b\\u2028c\""},
		{"commentary wait; final done", "", opening + said + said + closing, `"phase":"final_answer"`},
		{"refuse no", "", opening + "output_item.added content_part.added refusal.delta refusal.done content_part.done output_item.done " + closing, `"refusal":"no"`},
		{"cite https://example.test/ A page", "", opening + strings.Replace(said, "output_text.done", "output_text.annotation.added output_text.done", 1) + closing, `"url":"https://example.test/"`},
		{"bare hello", "", opening + "output_item.added content_part.added output_text.delta " + closing, `"delta":"hello"`},
		{"search news; text found", "", opening + "output_item.added web_search_call.in_progress web_search_call.searching web_search_call.completed output_item.done " + said + closing, `"query":"news"`},
		{"image 3m", "", opening + "output_item.added image_generation_call.generating output_item.done " + closing, strings.Repeat("A", 3<<20)},
		{"big 3m", "", opening + said + closing, `"delta":"` + strings.Repeat("x", 3<<20)},
		{"reasoning First.\n", "", opening + "output_item.added output_item.done " + closing, `"summary":[]`},
		{`reasoning "First.\n\nSecond."`, thinks, opening + "output_item.added" + strings.Repeat(" reasoning_summary_part.added reasoning_summary_text.delta reasoning_summary_text.done reasoning_summary_part.done", 2) + " output_item.done " + closing, `"encrypted_content":"gAAAAAB`},
		{`tool f {"a":"b;c"}`, "", opening + called + closing, `"arguments":"{\"a\":\"b;c\"}"`},
		{`tool f {"a":1}`, spark, opening + "output_item.added function_call_arguments.done output_item.done " + closing, `"arguments":"{\"a\":1}"`},
		{`tool-done f {}`, "", opening + "output_item.added function_call_arguments.done output_item.done " + closing, `"name":"f"`},
		{`tool-item f {}`, "", opening + "output_item.done " + closing, `"name":"f"`},
		{`custom c some input`, "", opening + "output_item.added custom_tool_call_input.delta custom_tool_call_input.done output_item.done " + closing, `"input":"some input"`},
		{`custom-done c x`, "", opening + "output_item.added custom_tool_call_input.done output_item.done " + closing, `"type":"custom_tool_call"`},
		{"text hi; incomplete max_output_tokens", "", opening + said + "responsesapi.timing incomplete", `"incomplete_details":{"reason":"max_output_tokens"}`},
		{"text hi; incomplete content_filter", "", opening + said + "responsesapi.timing incomplete", `"reason":"content_filter"`},
		{"fail overloaded", "", opening + "responsesapi.timing failed", `"code":"server_is_overloaded"`},
		{"text hi; fail context", "", opening + said + "responsesapi.timing failed", `"code":"context_length_exceeded"`},
		{"fail limit", "", opening + "responsesapi.timing failed", `"resets_in_seconds":3600`},
		{"error overloaded", "", "error", `"message":"Our servers are currently overloaded. Please try again later."`},
		{"text hi; error limit", "", opening + said + "error", `"plan_type":"plus"`},
		{"text hi; end", "", strings.TrimSpace(opening + said), ""},
		{"no-created; text hi", "", strings.TrimPrefix(opening, "created ") + said + closing, ""},
		{"text hi; done", "", opening + said + "responsesapi.timing done", ""},
		{"no-usage; text hi", "", opening + said + closing, `"truncation":"disabled","usage":null}`},
		{"full-output; text hi", "", opening + said + closing, `"output":[{"content"`},
		{`event {"type":"response.unknown","x":1}; text hi`, "", "unknown " + opening + said + closing, `"x":1`},
		{`comment keep-alive; text hi; no-names; crlf; bom; no-type`, "", opening + said + closing, "\ufeff: keep-alive\n\ndata: {"},
		{`raw "data: {\"type\":\"response.x\"}\r\r"; text hi`, "", opening + said + closing, "\r\r"},
		{"", `{"text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"array","items":{"type":"integer","minimum":3}},"kind":{"enum":["b","a"]}}}}}}`, opening + said + closing, `"text":"{\"city\":\"text\",\"days\":[3],\"kind\":\"b\"}"`},
		{"", `{"tools":[` + fn + `],"tool_choice":"required"}`, opening + called + closing, `"arguments":"{}"`},
		{"", `{"tools":[` + fn + `,{"type":"custom","name":"c"}],"tool_choice":{"type":"custom","name":"c"}}`, opening + "output_item.added custom_tool_call_input.delta custom_tool_call_input.done output_item.done " + closing, `"input":"hello"`},
		{"flood 2000 50", "", opening + said + closing, `"sequence_number":2004`},
		{"flood 11000 100", "", opening + "output_item.added content_part.added output_text.delta " + closing, `"sequence_number":11004`},
	} {
		t.Run(c.script+c.fields, func(t *testing.T) {
			res := r.scripted(c.script, c.fields).want(t, 200, "")
			text := strings.NewReplacer("\ufeffdata", "data", "\r\n", "\n", "\r\r", "\n\n").Replace(res.text)
			var list []map[string]any
			for line := range strings.SplitSeq(text, "\n") {
				if data, ok := strings.CutPrefix(line, "data: "); ok {
					var e map[string]any
					if err := json.Unmarshal([]byte(data), &e); err != nil {
						t.Fatal(err)
					}
					if e["type"] != "response.x" {
						list = append(list, e)
					}
				}
			}
			if got := kinds(list); got != strings.TrimSpace(c.kinds) {
				t.Errorf("events\n%s, want\n%s", got, c.kinds)
			}
			if !strings.Contains(res.text, c.holds) {
				t.Errorf("%.200q is not in the answer", c.holds)
			}
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	limit := r.scripted("limit 7200", "").want(t, 429, "").fields(t)["error"].(map[string]any)
	if limit["type"] != "usage_limit_reached" || limit["resets_in_seconds"] != 7200.0 || limit["plan_type"] != "plus" || limit["resets_at"] == nil || limit["code"] != nil {
		t.Errorf("a usage limit: %v", limit)
	}
	if h := r.scripted("limit", "").Header; h.Get("x-codex-primary-used-percent") != "100.0" {
		t.Errorf("headers at the limit: %v", h)
	}
	r.scripted("status 503 server_is_overloaded", "").want(t, 503, "server_is_overloaded")
	if f := r.scripted(`detail 403 "Not here"`, "").want(t, 403, "").fields(t); f["detail"] != "Not here" {
		t.Errorf("a detail: %v", f)
	}
	if res := r.scripted("html 502", "").want(t, 502, ""); !strings.Contains(res.text, "<html>") {
		t.Errorf("a page: %s", res.text)
	}
	for _, script := range []string{"cut", "text hi; cut"} {
		if res := r.scripted(script, ""); res.err == nil {
			t.Errorf("%s: the answer is whole: %q", script, res.text)
		}
	}
	if res := r.scripted("text hi; half", "").want(t, 200, ""); !strings.HasSuffix(res.text, `"delta":"ha`) {
		t.Errorf("half an event: %q", res.text)
	}
	for _, wrong := range []string{"sing", `text "open`, "tool", "status 99 x", "event []", "big 99m", "flood 99999999 1", "wait 9h", "pace -1s", "incomplete tired", "cut now", strings.Repeat("end;", 1001)} {
		r.scripted(wrong, "").want(t, 400, "sandbox_script")
	}
}

// ids and places of an answer's items, as the events tell them.
func TestInterleavedCalls(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	args := strings.Repeat("x", 30)
	list := events(t, r.scripted(`interleave; tool f "`+args+`"; tool g "`+args+`"; text done; twice`, "").want(t, 200, "").text)
	var places []string
	got := map[float64]string{}
	for _, e := range list {
		if e["type"] == "response.function_call_arguments.delta" {
			places = append(places, fmt.Sprint(e["output_index"]))
			got[e["output_index"].(float64)] += e["delta"].(string)
		}
	}
	if fmt.Sprint(places) != "[0 1 0 1 0 1]" || got[0] != args || got[1] != args {
		t.Errorf("deltas at %v: %v", places, got)
	}
	if n := len(list); list[n-1]["type"] != "response.completed" || list[n-2]["type"] != "response.completed" {
		t.Error("the end does not come twice")
	}
	ids := map[any]bool{}
	list = events(t, r.scripted(`shift-ids; other-id; tool f {}`, "").want(t, 200, "").text)
	for _, e := range list {
		if item, ok := e["item"].(map[string]any); ok {
			ids[item["id"]] = true
		}
	}
	first, last := list[0]["response"].(map[string]any)["id"], list[len(list)-1]["response"].(map[string]any)["id"]
	if len(ids) != 2 || first == last {
		t.Errorf("item ids %v, response ids %v and %v", ids, first, last)
	}
}

// A script goes on when the calls have been run; after it, and without one, the
// outputs are quoted.
func TestConversation(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	turn := func(script string, outputs int) string {
		input := []any{map[string]any{"role": "user", "content": "Go.\nsandbox: " + script}}
		for i := range outputs {
			id := fmt.Sprint("call_", i)
			input = append(input, map[string]any{"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"},
				map[string]any{"type": "function_call_output", "call_id": id, "output": fmt.Sprint("output ", i)})
		}
		text, err := json.Marshal(map[string]any{"input": input})
		if err != nil {
			t.Fatal(err)
		}
		return r.scripted("", string(text)).want(t, 200, "").text
	}
	const script = "tool f {}; tool f {}; next; tool last {}; next; text the end"
	for outputs, want := range map[int]string{0: `"name":"f"`, 2: `"name":"last"`, 3: `"text":"the end"`} {
		if got := turn(script, outputs); !strings.Contains(got, want) {
			t.Errorf("after %d outputs, no %s in %s", outputs, want, got)
		}
	}
	if got := turn("tool f {}", 1); !strings.Contains(got, `"text":"The tools said: output 0"`) {
		t.Errorf("after the script: %s", got)
	}
}

func TestReasoningIsVerified(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	mine, other := r.Issue(sandbox.User{}), r.Issue(sandbox.User{Email: "other@sandbox.test"})
	replay := func(sealed string) string {
		return fmt.Sprintf(`{"model":"gpt-5.5","store":false,"stream":true,"input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":%q},{"role":"user","content":"on"}]}`, sealed)
	}
	list := events(t, r.ask(mine, string(with(t, `{"reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"]}`))).want(t, 200, "").text)
	var sealed string
	for _, e := range list {
		if item, _ := e["item"].(map[string]any); e["type"] == "response.output_item.done" && item["type"] == "reasoning" {
			sealed = item["encrypted_content"].(string)
		}
	}
	usage := list[len(list)-1]["response"].(map[string]any)["usage"].(map[string]any)
	if usage["output_tokens_details"].(map[string]any)["reasoning_tokens"] == 0.0 || usage["total_tokens"] == 0.0 {
		t.Errorf("usage %v", usage)
	}
	r.ask(mine, replay(sealed)).want(t, 200, "")
	r.ask(other, replay(sealed)).want(t, 400, "invalid_encrypted_content")
	r.ask(mine, replay("gAAAAAB"+sealed[8:])).want(t, 400, "invalid_encrypted_content")

	auth := []string{"Authorization", "Bearer " + mine.AccessToken, "chatgpt-account-id", mine.AccountID}
	compact := func(body string) reply {
		return r.do("POST", "/backend-api/codex/responses/compact", "application/json", body, auth...)
	}
	compact(string(with(t, `{}`))).want(t, 400, "") // with stream
	got := compact(`{"model":"gpt-5.5","input":[{"role":"user","content":"keep this"},{"role":"assistant","content":"x"}]}`).want(t, 200, "").fields(t)
	output := got["output"].([]any)
	if got["object"] != "response.compaction" || len(output) != 2 || output[1].(map[string]any)["type"] != "compaction" {
		t.Fatalf("compacted: %v", got)
	}
	text, err := json.Marshal(map[string]any{"input": append(output, map[string]any{"role": "user", "content": "on"})})
	if err != nil {
		t.Fatal(err)
	}
	r.ask(mine, string(with(t, string(text)))).want(t, 200, "")
}
