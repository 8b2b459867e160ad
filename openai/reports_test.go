package openai

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// wantError wants one of our refusals, with its status, field and code.
func wantError(t *testing.T, err error, status int, param, code string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want a refusal of %s", err, err, param)
	}
	if e.Status != status || e.Param != param || e.Code != code || e.Message == "" || e.Type == "" {
		t.Errorf("%d %q param %q code %q type %q; want %d param %q code %q", e.Status, e.Message, e.Param, e.Code, e.Type, status, param, code)
	}
}

const hi = `{"role":"user","content":"hi"}`

// chat and responses put fields in a body that is good otherwise.
func chat(fields string) string {
	return `{"model":"gpt-5.5","messages":[` + hi + `]` + fields + `}`
}

func responses(fields string) string {
	return `{"model":"gpt-5.5","input":[` + hi + `]` + fields + `}`
}

func messages(list string) string { return `{"model":"gpt-5.5","messages":[` + list + `]}` }
func items(list string) string    { return `{"model":"gpt-5.5","input":[` + list + `]}` }

const tool = `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string","pattern":"^\\d+$"},"b":{"type":"integer"}},"required":["a"]}}}]`
const flat = `,"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}]`

// A report is one that somebody made publicly about a program of this kind.
type report struct {
	name string
	api  API
	body string

	has, not []string // what the sent body has, and has not
	dropped  string   // the names, joined
	param    string   // of a refusal
	code     string
}

var reports = []report{
	{name: "CLIProxyAPI#5555 tool without strict", api: ChatCompletions, body: chat(tool), has: []string{`"strict":false`}},
	{name: "CLIProxyAPI#5555 strict null", api: ChatCompletions, body: chat(strings.Replace(tool, `"name"`, `"strict":null,"name"`, 1)), has: []string{`"strict":false`}},
	{name: "CLIProxyAPI#5555 strict true", api: ChatCompletions, body: chat(strings.Replace(tool, `"name"`, `"strict":true,"name"`, 1)), has: []string{`"strict":true`}},
	{name: "sub2api#3221 optional parameters", api: ChatCompletions, body: chat(tool), has: []string{`"strict":false`, `"required":["a"]`}},
	{name: "langchain#35885 pattern", api: ChatCompletions, body: chat(tool), has: []string{`"pattern":"^\\d+$"`, `"strict":false`}},
	{name: "ruby_llm#843 pattern", api: ChatCompletions, body: chat(tool), has: []string{`"strict":false`}},
	{name: "ChatMock#103 max_output_tokens", api: Responses, body: responses(`,"max_output_tokens":512`), not: []string{"max_output"}, dropped: "max_output_tokens"},
	{name: "dario#1142 max_tokens", api: ChatCompletions, body: chat(`,"max_tokens":100`), not: []string{"max_"}, dropped: "max_tokens"},
	{name: "new-api#4792 top_p", api: ChatCompletions, body: chat(`,"top_p":0.95`), not: []string{"top_p"}, dropped: "top_p"},
	{name: "new-api#4792 top_p 1", api: ChatCompletions, body: chat(`,"top_p":1.0`), not: []string{"top_p"}},
	{name: "sub2api#589 frequency_penalty 0", api: ChatCompletions, body: chat(`,"frequency_penalty":0`), not: []string{"penalty"}},
	{name: "CLIProxyAPI#5112 metadata {}", api: Responses, body: responses(`,"metadata":{},"client_metadata":{"a":"b"}`), not: []string{`"metadata"`}, has: []string{`"client_metadata":{"a":"b"}`}},
	{name: "CLIProxyAPI#5112 metadata", api: Responses, body: responses(`,"metadata":{"a":"b"}`), not: []string{`metadata`}, dropped: "metadata"},
	{name: "codex-lb#856 truncation", api: Responses, body: responses(`,"truncation":"disabled"`), not: []string{"truncation"}},
	{name: "CLIProxyAPI#4951 breakpoint in a part", api: ChatCompletions, body: messages(`{"role":"user","content":[{"type":"text","text":"a","prompt_cache_breakpoint":{"type":"ephemeral"}}]}`), not: []string{"breakpoint"}, dropped: "messages.content.prompt_cache_breakpoint"},
	{name: "CLIProxyAPI#4951 breakpoint in a tool", api: Responses, body: responses(`,"tools":[{"type":"function","name":"f","prompt_cache_breakpoint":true,"parameters":{"type":"object","x":[{"prompt_cache_breakpoint":{}}],"properties":{"prompt_cache_breakpoint":{"type":"string"}}}}]`), has: []string{`"properties":{"prompt_cache_breakpoint":{"type":"string"}}`, `"x":[{}]`}, dropped: "tools.prompt_cache_breakpoint,prompt_cache_breakpoint"},
	{name: "CLIProxyAPI#5068 prompt_cache_retention", api: Responses, body: responses(`,"prompt_cache_retention":"24h"`), not: []string{"retention"}, dropped: "prompt_cache_retention"},
	{name: "opencodex#1743 store absent", api: Responses, body: responses(``), has: []string{`"store":false`}},
	{name: "opencodex#1743 store true", api: Responses, body: responses(`,"store":true`), has: []string{`"store":false`}, dropped: "store"},
	{name: "litellm#36173 not streamed", api: ChatCompletions, body: chat(`,"stream":false`), has: []string{`"stream":true`}},
	{name: "codex-proxy-rs#172 role system", api: Responses, body: items(`{"type":"message","role":"system","content":[{"type":"input_text","text":"s"}]},` + hi), has: []string{`{"type":"message","role":"developer","content":[{"type":"input_text","text":"s"}]},{"type":"message","role":"user"`}},
	{name: "codex2api#409 bare system item", api: Responses, body: items(`{"role":"system","content":"s"},` + hi), has: []string{`{"type":"message","role":"developer","content":[{"type":"input_text","text":"s"}]}`}},
	{name: "CLIProxyAPI#3903 parallel without tools", api: ChatCompletions, body: chat(`,"parallel_tool_calls":true`), not: []string{"parallel"}},
	{name: "cc-switch#3640 tool_choice without tools", api: ChatCompletions, body: chat(`,"tool_choice":"auto"`), not: []string{"tool_choice"}},
	{name: "cc-switch#3640 required without tools", api: ChatCompletions, body: chat(`,"tool_choice":"required"`), param: "tool_choice", code: "invalid_value"},
	{name: "mira#267 json_object in chat", api: ChatCompletions, body: chat(`,"response_format":{"type":"json_object"}`), param: "response_format", code: "invalid_value"},
	{name: "mira#267 json_object in Responses", api: Responses, body: responses(`,"text":{"format":{"type":"json_object"}},"instructions":"JSON"`), param: "text.format", code: "invalid_value"},
	{name: "mira#267 json_object with the word", api: ChatCompletions, body: `{"model":"gpt-5.5","messages":[{"role":"system","content":"Answer in JSON"},` + hi + `],"response_format":{"type":"json_object"}}`, has: []string{`"text":{"format":{"type":"json_object"}}`}},
	{name: "codex-lb#637 reasoning_content", api: ChatCompletions, body: messages(hi + `,{"role":"assistant","content":"a","reasoning_content":"thought"},` + hi), not: []string{"reasoning_content", "thought"}},
	{name: "codex-lb#637 in Responses", api: Responses, body: items(hi + `,{"role":"assistant","content":"a","reasoning_content":"thought"},` + hi), not: []string{"reasoning_content", "thought"}, dropped: "input.reasoning_content"},
	{name: "CLIProxyAPI#2368 foreign id", api: ChatCompletions, body: messages(hi + `,{"role":"tool","tool_call_id":"call_x","content":"r"}`), param: "messages[1].tool_call_id", code: "invalid_value"},
	{name: "CLIProxyAPI#2368 no result", api: ChatCompletions, body: messages(hi + `,{"role":"assistant","tool_calls":[{"id":"call_x","type":"function","function":{"name":"f","arguments":"{}"}}]},` + hi), param: "messages[1].tool_calls[0].id", code: "invalid_value"},
	{name: "opencode-openai-codex-auth#27 output without call", api: Responses, body: items(hi + `,{"type":"function_call_output","call_id":"c","output":"r"}`), param: "input[1].call_id", code: "invalid_value"},
	{name: "CLIProxyAPI#4458 tool output with an image", api: ChatCompletions, body: messages(hi + `,{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA","detail":"high"}}]}`), has: []string{`"output":[{"type":"input_text","text":"t"},{"type":"input_image","image_url":"data:image/png;base64,AA","detail":"high"}]`}},
	{name: "command-code#902 image in function_call_output", api: Responses, body: items(hi + `,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[{"type":"input_image","image_url":"data:image/png;base64,AA"}]}`), has: []string{`"output":[{"type":"input_image","image_url":"data:image/png;base64,AA"}]`}},
	{name: "sub2api#6247 assistant content as parts", api: ChatCompletions, body: messages(hi + `,{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"refusal","refusal":"no"}]},` + hi), has: []string{`"content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"no"}]`}},
	{name: "CLIProxyAPI#4256 custom tool history", api: ChatCompletions, body: messages(hi + `,{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"p","input":"*** Begin"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}`), has: []string{`{"type":"custom_tool_call","call_id":"c","name":"p","input":"*** Begin"},{"type":"custom_tool_call_output","call_id":"c","output":"ok"}`}},
	{name: "codex-lb#1184 tools keep their bytes", api: Responses, body: responses(`,"tools":[ {"name":"spawn", "type":"function","parameters":{ "z":1.50,"properties":{},"type":"object","m":12345678901234567890},"strict":null} ]`), has: []string{`"tools":[ {"name":"spawn", "type":"function","parameters":{ "z":1.50,"properties":{},"type":"object","m":12345678901234567890},"strict":null} ]`}},
	{name: "codex-lb#1725 no tools invented", api: Responses, body: responses(``), not: []string{`"tools"`}},
	{name: "chatgpt-codex-proxy#9 additional_tools", api: Responses, body: items(`{"type":"additional_tools", "role":"developer","tools":[{"type":"function","name":"g"}]},` + hi), has: []string{`{"type":"additional_tools", "role":"developer","tools":[{"type":"function","name":"g"}]}`}},
	{name: "codex#10722 reasoning at the end", api: Responses, body: items(hi + `,{"type":"reasoning","summary":[],"encrypted_content":"x"}`), not: []string{`"type":"reasoning"`}, dropped: "input.reasoning"},
	{name: "codex#10722 reasoning before a user", api: Responses, body: items(`{"type":"reasoning","summary":[],"encrypted_content":"x"},` + hi), not: []string{`"type":"reasoning"`}, dropped: "input.reasoning"},
	{name: "opencodex#4628 reasoning without summary", api: Responses, body: items(hi + `,{"type":"reasoning","id":"rs_1","encrypted_content":"x","content":null},{"role":"assistant","content":"a"},` + hi), has: []string{`{"type":"reasoning","summary":[],"encrypted_content":"x"}`}},
	{name: "CLIProxyAPI#4641 ids item_", api: Responses, body: items(`{"type":"message","id":"item_7","role":"user","content":"hi"}`), not: []string{"item_7"}},
	{name: "langchainjs#11044 id empty", api: Responses, body: items(hi + `,{"type":"message","id":"","role":"assistant","content":"a"},` + hi), not: []string{`"id"`}},
	{name: "open-grok#23 id of 85 characters", api: Responses, body: items(hi + `,{"type":"function_call","id":"` + strings.Repeat("i", 85) + `","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":""}`), not: []string{"iii"}},
	{name: "codex#31846 spark and summary", api: Responses, body: `{"model":"gpt-5.3-codex-spark","input":"hi","reasoning":{"summary":"auto"}}`, not: []string{"summary"}, dropped: "reasoning.summary"},
	{name: "opencode#18791 spark in chat", api: ChatCompletions, body: `{"model":"gpt-5.3-codex-spark","messages":[` + hi + `]}`, not: []string{"summary"}},
	{name: "CLIProxyAPI#4380 effort none", api: ChatCompletions, body: chat(`,"reasoning_effort":"none"`), has: []string{`"effort":"low"`}, dropped: "reasoning_effort"},
	{name: "codex-proxy#744 effort max", api: Responses, body: responses(`,"reasoning":{"effort":"max"}`), has: []string{`"effort":"xhigh"`}, dropped: "reasoning.effort"},
	{name: "codex-proxy#744 effort ultra where it is", api: ChatCompletions, body: `{"model":"gpt-5.6-sol","reasoning_effort":"ultra","messages":[` + hi + `]}`, has: []string{`"effort":"max"`}},
	{name: "CLIProxyAPIPlus#70 gpt-5.5-high", api: ChatCompletions, body: `{"model":"gpt-5.5-high","messages":[` + hi + `]}`, has: []string{`"model":"gpt-5.5"`, `"effort":"high"`}},
	{name: "codex-lb#833 Cursor", api: ChatCompletions, body: `{"model":"gpt-5.5","stream":true,"stream_options":{"include_usage":true},"user":"u","input":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"input_text","text":"hi"}]}],"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","name":"g","strict":false,"parameters":{"type":"object","properties":{}}}],"tool_choice":"auto","reasoning":{"effort":"high","summary":"auto"},"text":{"verbosity":"low"},"include":["reasoning.encrypted_content"],"store":false,"truncation":"auto","prompt_cache_retention":"24h"}`, has: []string{`"role":"developer"`, `{"type":"function","name":"f","parameters":{"type":"object","properties":{}},"strict":false}`, `"verbosity":"low"`, `"effort":"high"`}, dropped: "user,prompt_cache_retention"},
	{name: "OmniRoute#1002 input as text", api: ChatCompletions, body: `{"model":"gpt-5.5","input":"hi","max_tokens":5,"stop":"x"}`, has: []string{`"text":"hi"`}, dropped: "max_tokens"},
	{name: "OmniRoute#806 messages on Responses", api: Responses, body: chat(``), param: "messages", code: "unsupported_parameter"},
	{name: "CLIProxyAPI#2223 web_search_preview", api: Responses, body: responses(`,"tools":[{"type":"web_search_preview_2025_03_11","search_context_size":"low"}]`), has: []string{`{"type":"web_search","search_context_size":"low"}`}},
	{name: "CLIProxyAPI#3276 service_tier auto", api: ChatCompletions, body: chat(`,"service_tier":"auto"`), not: []string{"service_tier"}},
	{name: "CLIProxyAPI#3276 service_tier flex", api: ChatCompletions, body: chat(`,"service_tier":"flex"`), not: []string{"service_tier"}, dropped: "service_tier"},
	{name: "CLIProxyAPI#3276 service_tier fast", api: ChatCompletions, body: chat(`,"service_tier":"fast"`), has: []string{`"service_tier":"priority"`}},
	{name: "codex-lb#424 enable_thinking true", api: ChatCompletions, body: chat(`,"enable_thinking":true`), not: []string{"thinking", "effort"}},
	{name: "codex-lb#424 enable_thinking false", api: ChatCompletions, body: chat(`,"enable_thinking":false`), has: []string{`"effort":"low"`}, dropped: "enable_thinking"},
	{name: "codex-lb#424 thinking with a budget", api: ChatCompletions, body: chat(`,"thinking":{"type":"enabled","budget_tokens":9}`), not: []string{"effort"}, dropped: "thinking.budget_tokens"},
	{name: "codex2api#156 no thinking shown", api: ChatCompletions, body: chat(``), has: []string{`"summary":"auto"`}},
}

// Public reports about requests, each with what it should have been.
func TestReportedRequests(t *testing.T) {
	for _, tt := range append(reports, fields...) {
		t.Run(tt.name, func(t *testing.T) {
			if tt.code != "" {
				_, err := parse(tt.api, tt.body)
				wantError(t, err, 400, tt.param, tt.code)
				return
			}
			req := accepted(t, tt.api, tt.body)
			for _, s := range tt.has {
				if !strings.Contains(string(req.Body), s) {
					t.Errorf("not sent: %s\n%s", s, req.Body)
				}
			}
			for _, s := range tt.not {
				if strings.Contains(string(req.Body), s) {
					t.Errorf("sent: %s\n%s", s, req.Body)
				}
			}
			if got := strings.Join(req.Dropped, ","); got != tt.dropped {
				t.Errorf("dropped %q, want %q", got, tt.dropped)
			}
			if again := accepted(t, tt.api, tt.body); string(again.Body) != string(req.Body) || !slices.Equal(again.Dropped, req.Dropped) {
				t.Error("the same body is sent in two ways")
			}
		})
	}
}
