package openai

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// An answerReport is a fault that somebody's proxy had with such a stream.
type answerReport struct {
	name   string // the public thread
	stream string
	ask    func(*Request)
	chat   func(t *testing.T, s chatSum)          // what a chat stream has to say
	answer func(t *testing.T, a map[string]any)   // a chat answer
	events func(t *testing.T, e []map[string]any) // a Responses stream
	whole  func(t *testing.T, r map[string]any)   // a Responses answer
	fails  int                                    // the status that an answer has instead
	code   string
}

func TestReportedAnswers(t *testing.T) {
	for _, r := range answerReports {
		t.Run(r.name, func(t *testing.T) {
			sse, ask := stream(t, r.stream), func() *Request {
				req := asked()
				if r.ask != nil {
					r.ask(req)
				}
				return req
			}
			out, err := chatStreamOf(sse, ask())
			if (err == io.EOF) != (r.fails == 0) {
				t.Errorf("the chat stream ended with %v", err)
			}
			if sum := sumChat(t, out); r.chat != nil {
				r.chat(t, sum)
			}
			out, err = responsesStreamOf(sse, ask())
			if (err == io.EOF) != (r.fails == 0) {
				t.Errorf("the Responses stream ended with %v", err)
			}
			if events := checkResponses(t, out, r.fails == 0); r.events != nil {
				r.events(t, events)
			}
			r.check(t, whole(answerChat), sse, ask(), r.answer)
			r.check(t, whole(answerResponses), sse, ask(), r.whole)
		})
	}
}

func (r answerReport) check(t *testing.T, write func(string, *Request) (string, error), sse string, req *Request, look func(*testing.T, map[string]any)) {
	t.Helper()
	out, err := write(sse, req)
	if r.fails != 0 {
		var e *Error
		if !errors.As(err, &e) || e.Status != r.fails || e.Code != r.code {
			t.Errorf("failed with %#v, want %d %s", e, r.fails, r.code)
		}
		return
	}
	var a map[string]any
	if err != nil || json.Unmarshal([]byte(out), &a) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if look != nil {
		look(t, a)
	}
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %#v, want %#v", what, got, want)
	}
}

func oneCall(kind, name, input string) func(*testing.T, chatSum) {
	return func(t *testing.T, s chatSum) {
		want(t, "calls", s.calls, []chatSumCall{{"call_1", kind, name, input}})
		want(t, "finish", s.finish, "tool_calls")
	}
}

func answerCall(name, input string) func(*testing.T, map[string]any) {
	return func(t *testing.T, a map[string]any) {
		m := get(a, "choices", 0, "message")
		want(t, "calls", get(m, "tool_calls"), []any{map[string]any{"id": "call_1", "type": "function", "function": map[string]any{"name": name, "arguments": input}}})
		want(t, "content", get(m, "content"), nil)
		want(t, "finish", get(a, "choices", 0, "finish_reason"), "tool_calls")
	}
}

func outputCall(input string) func(*testing.T, map[string]any) {
	return func(t *testing.T, r map[string]any) {
		want(t, "items", len(get(r, "output").([]any)), 1)
		want(t, "arguments", get(r, "output", 0, "arguments"), input)
		want(t, "call_id", get(r, "output", 0, "call_id"), "call_1")
	}
}

func ends(finish string) func(*testing.T, chatSum) {
	return func(t *testing.T, s chatSum) { want(t, "finish", s.finish, finish) }
}

func failsLate(code string) (func(*testing.T, chatSum), func(*testing.T, []map[string]any)) {
	return func(t *testing.T, s chatSum) {
			want(t, "finish", s.finish, "")
			want(t, "done", s.done, false)
			want(t, "code", get(s.failure, "code"), code)
			if get(s.failure, "type") == "invalid_request_error" {
				t.Error("a client would not try again")
			}
		}, func(t *testing.T, e []map[string]any) {
			failure, end := e[len(e)-2], e[len(e)-1]
			want(t, "type", failure["type"], "error")
			want(t, "code", failure["code"], code)
			want(t, "inner code", get(failure, "error", "code"), code)
			want(t, "end", end["type"], "response.failed")
			want(t, "status", get(end, "response", "status"), "failed")
			want(t, "id", get(end, "response", "id"), "resp_1")
		}
}

var answerReports = func() (all []answerReport) {
	add := func(r answerReport) { all = append(all, r) }
	add(answerReport{name: "61 hermes-agent#5689", stream: "061-output-empty", whole: func(t *testing.T, r map[string]any) {
		want(t, "items", len(get(r, "output").([]any)), 2)
		want(t, "text", get(r, "output", 1, "content", 0, "text"), "Hello \"you\"\n– ünï 👍")
		want(t, "reasoning", get(r, "output", 0, "encrypted_content"), "gAAAA-opaque")
	}, events: func(t *testing.T, e []map[string]any) {
		want(t, "text", get(lastOf(e), "response", "output", 1, "content", 0, "text"), "Hello \"you\"\n– ünï 👍")
	}, chat: func(t *testing.T, s chatSum) { want(t, "text", s.content, "Hello \"you\"\n– ünï 👍") }})
	add(answerReport{name: "62 labs#5092", stream: "062-tool-call-output-empty", chat: oneCall("function", "get_weather", `{"city":"Paris"}`),
		answer: answerCall("get_weather", `{"city":"Paris"}`), whole: outputCall(`{"city":"Paris"}`)})
	add(answerReport{name: "64 republic#37", stream: "064-text-deltas-only", chat: func(t *testing.T, s chatSum) { want(t, "text", s.content, "only deltas") },
		answer: func(t *testing.T, a map[string]any) {
			want(t, "text", get(a, "choices", 0, "message", "content"), "only deltas")
		},
		whole: func(t *testing.T, r map[string]any) {
			want(t, "text", get(r, "output", 0, "content", 0, "text"), "only deltas")
		}})
	add(answerReport{name: "65 codex-lb#284", stream: "065-arguments-four-times", chat: oneCall("function", "f", `{"a":1}`), answer: answerCall("f", `{"a":1}`), whole: outputCall(`{"a":1}`)})
	add(answerReport{name: "67 workers#1020", stream: "067-spark-done-only", chat: oneCall("function", "f", `{"a":1,"b":"x\"y"}`),
		answer: answerCall("f", `{"a":1,"b":"x\"y"}`), whole: outputCall(`{"a":1,"b":"x\"y"}`)})
	add(answerReport{name: "68 openclaude#1259", stream: "068-arguments-in-item-done-only", chat: oneCall("function", "f", `{"a":1}`), answer: answerCall("f", `{"a":1}`), whole: outputCall(`{"a":1}`)})
	add(answerReport{name: "70 CLIProxyAPI#27", stream: "070-call-without-added", chat: oneCall("function", "f", `{"a":1}`), answer: answerCall("f", `{"a":1}`), whole: outputCall(`{"a":1}`)})
	add(answerReport{name: "71 ccproxy-api#49", stream: "071-parallel-calls", chat: func(t *testing.T, s chatSum) {
		want(t, "calls", s.calls, []chatSumCall{{"call_1", "function", "f", "{}"}, {"call_2", "function", "g", `{"b":2}`}})
	}})
	add(answerReport{name: "73 CLIProxyAPI#4901", stream: "073-parallel-interleaved", chat: func(t *testing.T, s chatSum) {
		want(t, "calls", s.calls, []chatSumCall{{"call_1", "function", "f", `{"x":1}`}, {"call_2", "function", "g", `{"y":2}`}})
	}, whole: func(t *testing.T, r map[string]any) {
		want(t, "first", get(r, "output", 0, "arguments"), `{"x":1}`)
		want(t, "second", get(r, "output", 1, "arguments"), `{"y":2}`)
	}})
	add(answerReport{name: "74 CliRelay#333", stream: "074-calls-share-an-index", chat: func(t *testing.T, s chatSum) {
		want(t, "calls", s.calls, []chatSumCall{{"call_1", "function", "exec", `{"cmd":"ls"}`}, {"call_2", "function", "update_plan", `{"plan":[]}`}})
	}})
	add(answerReport{name: "74 codex-lb#543, the item's id changes", stream: "074b-item-id-changes", chat: oneCall("function", "f", `{"a":1}`), answer: answerCall("f", `{"a":1}`), whole: outputCall(`{"a":1}`)})
	add(answerReport{name: "74 codex-lb#542, neither index nor id", stream: "074c-only-open-call", chat: oneCall("function", "f", `{"a":1}`), answer: answerCall("f", `{"a":1}`), whole: outputCall(`{"a":1}`)})
	add(answerReport{name: "76 CLIProxyAPI#4078", stream: "076-custom-tool", chat: oneCall("custom", "apply_patch", "*** Begin\n*** End"), answer: func(t *testing.T, a map[string]any) {
		want(t, "call", get(a, "choices", 0, "message", "tool_calls", 0), map[string]any{"id": "call_1", "type": "custom", "custom": map[string]any{"name": "apply_patch", "input": "*** Begin\n*** End"}})
	}})
	add(answerReport{name: "77 CLIProxyAPI#2443", stream: "077-text-then-call", chat: ends("tool_calls"), answer: func(t *testing.T, a map[string]any) {
		want(t, "finish", get(a, "choices", 0, "finish_reason"), "tool_calls")
		want(t, "text", get(a, "choices", 0, "message", "content"), "Let me look.")
	}})
	add(answerReport{name: "79 litellm#37710", stream: "079-incomplete-length", chat: ends("length"), answer: func(t *testing.T, a map[string]any) {
		want(t, "finish", get(a, "choices", 0, "finish_reason"), "length")
		want(t, "text", get(a, "choices", 0, "message", "content"), "half an ans")
		want(t, "tokens", get(a, "usage", "completion_tokens"), 12.0)
	}, whole: func(t *testing.T, r map[string]any) {
		want(t, "status", r["status"], "incomplete")
		want(t, "text", get(r, "output", 0, "content", 0, "text"), "half an ans")
	}, events: func(t *testing.T, e []map[string]any) {
		want(t, "end", lastOf(e)["type"], "response.incomplete")
		want(t, "text", get(lastOf(e), "response", "output", 0, "content", 0, "text"), "half an ans")
	}})
	add(answerReport{name: "80 litellm#34352 hermes-agent#55695", stream: "080-incomplete-filter", chat: ends("content_filter")})
	for name, stream := range map[string]string{"82 coddy-agent#225": "082-cut-clean-eof", "83 cc-switch#4189": "083-cut-half-an-event", "85 CLIProxyAPI#3055": "085-cut-before-output"} {
		chat, events := failsLate("stream_interrupted")
		add(answerReport{name: name, stream: stream, chat: chat, events: events, fails: http.StatusBadGateway, code: "stream_interrupted"})
	}
	add(answerReport{name: "86 CLIProxyAPI#5115", stream: "086-overloaded-first", fails: http.StatusServiceUnavailable, code: "server_is_overloaded"})
	add(answerReport{name: "88 codex-lb#1313", stream: "088-failed-first", fails: http.StatusServiceUnavailable, code: "server_is_overloaded"})
	chat, events := failsLate("upstream_rejected")
	add(answerReport{name: "89 CLIProxyAPI#1006", stream: "089-bare-error-late", events: events, chat: chat, fails: http.StatusBadGateway, code: "upstream_rejected"})
	chat, events = failsLate("server_error")
	add(answerReport{name: "91 vercel/ai#21360", stream: "091-failed-late", events: events, chat: chat, fails: http.StatusBadGateway, code: "server_error"})
	add(answerReport{name: "92 opencode#28427", stream: "092-plain", chat: func(t *testing.T, s chatSum) {
		want(t, "role", get(s.chunks[0], "choices", 0, "delta"), map[string]any{"role": "assistant", "content": ""})
	}})
	add(answerReport{name: "94 headroom#2026", stream: "092-plain", chat: func(t *testing.T, s chatSum) {
		for _, c := range s.chunks {
			if len(c["choices"].([]any)) != 1 || holds(c, "usage") {
				t.Errorf("usage that nobody asked for: %v", c)
			}
		}
	}})
	add(answerReport{name: "95 Switchyard#797", stream: "092-plain", ask: func(r *Request) { r.IncludeUsage = true }, chat: func(t *testing.T, s chatSum) {
		for i, c := range s.chunks {
			if last := i == len(s.chunks)-1; !holds(c, "usage") || (c["usage"] != nil) != last || (len(c["choices"].([]any)) == 0) != last {
				t.Errorf("chunk %d: %v", i, c)
			}
		}
		want(t, "tokens", get(s.chunks[len(s.chunks)-1], "usage", "prompt_tokens"), 20.0)
	}})
	add(answerReport{name: "97 codex2api#156", stream: "061-output-empty", chat: func(t *testing.T, s chatSum) { want(t, "thoughts", s.thoughts, "**Think it**\n\nSecond") },
		answer: func(t *testing.T, a map[string]any) {
			want(t, "thoughts", get(a, "choices", 0, "message", "reasoning_content"), "**Think it**\n\nSecond")
		}})
	add(answerReport{name: "98 Codex-Manager#255", stream: "098-reasoning-only", chat: ends("stop"), answer: func(t *testing.T, a map[string]any) {
		want(t, "text", get(a, "choices", 0, "message", "content"), "")
		want(t, "thoughts", get(a, "choices", 0, "message", "reasoning_content"), "just thinking")
	}})
	add(answerReport{name: "98 nothing at all", stream: "099-nothing", chat: ends("stop"), answer: func(t *testing.T, a map[string]any) {
		want(t, "text", get(a, "choices", 0, "message", "content"), "")
	}})
	add(answerReport{name: "101 ChatMock#86", stream: "077-text-then-call", chat: func(t *testing.T, s chatSum) {
		want(t, "calls", s.calls, []chatSumCall{{"call_1", "function", "f", "{}"}})
		want(t, "finish", s.finish, "tool_calls")
	}})
	add(answerReport{name: "103 104 CLIProxyAPI#1666 pi-mono#4172 codex-proxy#65", stream: "104-usage-limit-first", fails: http.StatusTooManyRequests, code: "usage_limit_reached"})
	add(answerReport{name: "107 CLIProxyAPI#356", stream: "107-usage-without-details", answer: func(t *testing.T, a map[string]any) {
		want(t, "reasoning tokens", get(a, "usage", "completion_tokens_details", "reasoning_tokens"), 0.0)
		want(t, "tokens", get(a, "usage", "completion_tokens"), 2.0)
	}})
	add(answerReport{name: "usage null", stream: "108-usage-null", answer: func(t *testing.T, a map[string]any) { want(t, "usage", a["usage"], nil) },
		whole: func(t *testing.T, r map[string]any) { want(t, "tokens", get(r, "usage", "total_tokens"), 0.0) }})
	add(answerReport{name: "codex-lb, line ends of Unicode", stream: "201-unicode-line-ends", chat: func(t *testing.T, s chatSum) { want(t, "text", s.content, "a\u2028b\u2029c\u0085d") }})
	add(answerReport{name: "refusal", stream: "202-refusal", chat: func(t *testing.T, s chatSum) { want(t, "refusal", s.refusal, "I can't.") }, answer: func(t *testing.T, a map[string]any) {
		want(t, "refusal", get(a, "choices", 0, "message", "refusal"), "I can't.")
		want(t, "text", get(a, "choices", 0, "message", "content"), nil)
	}})
	add(answerReport{name: "annotations", stream: "203-annotations-shifted", chat: func(t *testing.T, s chatSum) {
		at := get(s.annotations, 0, "url_citation")
		want(t, "cited", string([]rune(s.content)[int(get(at, "start_index").(float64)):int(get(at, "end_index").(float64))]), "See")
	}})
	add(answerReport{name: "phases", stream: "204-phases", chat: func(t *testing.T, s chatSum) { want(t, "text", s.content, "Looking.\n\nDone.") },
		events: func(t *testing.T, e []map[string]any) {
			want(t, "phase", get(lastOf(e), "response", "output", 1, "phase"), "final_answer")
		}})
	add(answerReport{name: "hosted search is no call", stream: "205-web-search", chat: func(t *testing.T, s chatSum) {
		want(t, "calls", len(s.calls), 0)
		want(t, "finish", s.finish, "stop")
	}})
	add(answerReport{name: "unknown events", stream: "206-unknown-events-numbered", events: func(t *testing.T, e []map[string]any) {
		for _, ev := range e {
			if typ := ev["type"].(string); typ[:min(9, len(typ))] != "response." || typ == "response.brand_new.delta" {
				t.Errorf("%s got through", typ)
			}
		}
	}})
	add(answerReport{name: "id changes, and the end comes twice", stream: "208-id-changes-terminal-twice", chat: func(t *testing.T, s chatSum) { want(t, "text", s.content, "x") }})
	add(answerReport{name: "wrong order", stream: "209-wrong-order", chat: func(t *testing.T, s chatSum) {
		want(t, "calls", s.calls, []chatSumCall{{"call_1", "function", "f", `{"a":1}`}})
		want(t, "text", s.content, "early late")
	}})
	add(answerReport{name: "HTML", stream: "210-html", fails: http.StatusBadGateway, code: "stream_interrupted"})
	add(answerReport{name: "stop", stream: "216-stop", ask: func(r *Request) { r.Stop = []string{"STOP"} }, chat: func(t *testing.T, s chatSum) {
		want(t, "text", s.content, "I will say ")
		want(t, "finish", s.finish, "stop")
	}})
	add(answerReport{name: "a call cut by the limit", stream: "217-call-cut-by-limit", chat: func(t *testing.T, s chatSum) {
		want(t, "finish", s.finish, "length")
		want(t, "input", s.calls[0].input, `{"a":"lo`)
	}})
	add(answerReport{name: "functions of old", stream: "062-tool-call-output-empty", ask: func(r *Request) { r.Legacy = true }, chat: ends("function_call"), answer: func(t *testing.T, a map[string]any) {
		want(t, "call", get(a, "choices", 0, "message", "function_call"), map[string]any{"name": "get_weather", "arguments": `{"city":"Paris"}`})
	}})
	add(answerReport{name: "names that were shortened", stream: "062-tool-call-output-empty", ask: func(r *Request) { r.names = map[string]string{"get_weather": "mcp__weather__get_weather"} },
		chat: oneCall("function", "mcp__weather__get_weather", `{"city":"Paris"}`),
		whole: func(t *testing.T, r map[string]any) {
			want(t, "name", get(r, "output", 0, "name"), "mcp__weather__get_weather")
		},
		events: func(t *testing.T, e []map[string]any) {
			want(t, "name", get(lastOf(e), "response", "output", 0, "name"), "mcp__weather__get_weather")
		}})
	return all
}()

// A stream that needs no change has every byte as it came.
func TestResponsesStreamLeavesBytesAlone(t *testing.T) {
	sse := stream(t, "219-output-filled")
	out, err := responsesStreamOf(sse, asked())
	if err != io.EOF || out != sse {
		t.Errorf("%v\n%s", err, out)
	}
}

// A usage limit within a stream says when it ends.
func TestUsageLimitWithinAStream(t *testing.T) {
	sse := `data: {"type":"error","status":429,"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_in_seconds":7200}}` + "\n\n"
	_, err := answerChat(newSource(sse), asked())
	var e *Error
	if !errors.As(err, &e) || e.Status != 429 || e.RetryAfter != 2*time.Hour || !e.NoRetry || e.PlanType != "plus" {
		t.Errorf("%#v", e)
	}
}
