package sandbox_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// base is a body that the backend takes; a case changes it.
func base() map[string]any {
	var body map[string]any
	if err := json.Unmarshal([]byte(`{"model":"gpt-5.5","store":false,"stream":true,"instructions":"","input":[
		{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}]}`), &body); err != nil {
		panic(err)
	}
	return body
}

// with sets fields of a good body, written as JSON.
func with(t *testing.T, fields string) []byte {
	t.Helper()
	body := base()
	if err := json.Unmarshal([]byte(fields), &body); err != nil {
		t.Fatalf("%s: %v", fields, err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const (
	fn   = `{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}`
	user = `{"role":"user","content":"hi"}`
	long = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" // 65
)

// What the service refuses, as the table of its known refusals has it: fields,
// the sentence or a part of it, the field that it names, its code.
var refusals = []struct{ fields, says, param, code string }{
	{`{"max_output_tokens":1}`, "Unsupported parameter: max_output_tokens", "", ""},
	{`{"max_completion_tokens":1}`, "Unsupported parameter: max_completion_tokens", "", ""},
	{`{"max_tokens":1}`, "Unsupported parameter: max_tokens", "", ""},
	{`{"temperature":1}`, "Unsupported parameter: temperature", "", ""},
	{`{"top_p":1}`, "Unsupported parameter: top_p", "", ""},
	{`{"presence_penalty":0}`, "Unsupported parameter: presence_penalty", "", ""},
	{`{"frequency_penalty":0}`, "Unsupported parameter: frequency_penalty", "", ""},
	{`{"seed":1}`, "Unsupported parameter: seed", "", ""},
	{`{"top_logprobs":0}`, "Unsupported parameter: top_logprobs", "", ""},
	{`{"metadata":{}}`, "Unsupported parameter: metadata", "", ""},
	{`{"safety_identifier":"x"}`, "Unsupported parameter: safety_identifier", "", ""},
	{`{"prompt_cache_retention":"24h"}`, "Unsupported parameter: prompt_cache_retention", "", ""},
	{`{"prompt_cache_options":{}}`, "Unsupported parameter: prompt_cache_options", "", ""},
	{`{"truncation":"auto"}`, "Unsupported parameter: truncation", "", ""},
	{`{"user":"x"}`, "Unsupported parameter: user", "", ""},
	{`{"context_management":[]}`, "Unsupported parameter: context_management", "", ""},
	{`{"previous_response_id":null}`, "Unsupported parameter: previous_response_id", "", ""},
	{`{"top_k":1}`, "Unsupported parameter: top_k", "", ""},
	{`{"generate":false}`, "Unsupported parameter: generate", "", ""},
	{`{"stream_options":{"include_usage":true}}`, "Unknown parameter: 'stream_options.include_usage'.", "stream_options.include_usage", "unknown_parameter"},
	{`{"service_tier":"auto"}`, "Unsupported service_tier: auto", "", ""},
	{`{"service_tier":"priority","model":"gpt-5.4-mini"}`, "Unsupported service_tier: priority", "", ""},
	{`{"store":true}`, "Store must be set to false", "", ""},
	{`{"store":null}`, "Store must be set to false", "", ""},
	{`{"stream":false}`, "Stream must be set to true", "", ""},
	{`{"input":"text"}`, "Input must be a list", "", ""},
	{`{"instructions":null}`, "Instructions are not valid", "", ""},
	{`{"model":""}`, "Model must be a string", "", ""},
	{`{"model":"gpt-4o"}`, "The 'gpt-4o' model is not supported when using Codex with a ChatGPT account.", "", ""},
	{`{"reasoning":{"effort":"minimal"}}`, "Unsupported value: 'minimal' is not supported with the 'gpt-5.5' model. Supported values are: 'low', 'medium', 'high', and 'xhigh'.", "reasoning.effort", "unsupported_value"},
	{`{"reasoning":{"effort":"none"}}`, "Unsupported value: 'none'", "reasoning.effort", "unsupported_value"},
	{`{"reasoning":{"effort":"max"}}`, "Unsupported value: 'max'", "reasoning.effort", "unsupported_value"},
	{`{"reasoning":{"effort":"ultra"},"model":"gpt-5.6-sol"}`, "Unsupported value: 'ultra'", "reasoning.effort", "unsupported_value"},
	{`{"reasoning":{"summary":"auto"},"model":"gpt-5.3-codex-spark"}`, "Unsupported parameter: 'reasoning.summary' is not supported with the 'gpt-5.3-codex-spark' model.", "reasoning.summary", "unsupported_parameter"},
	{`{"reasoning":{"budget":1}}`, "Unknown parameter: 'reasoning.budget'.", "reasoning.budget", "unknown_parameter"},
	{`{"text":{"verbosity":"huge"}}`, "Unsupported value: 'huge'", "text.verbosity", "unsupported_value"},
	{`{"text":{"format":{"type":"json_schema","json_schema":{"name":"a","schema":{}}}}}`, "Missing required parameter: 'text.format.name'.", "text.format.name", "missing_required_parameter"},
	{`{"text":{"format":{"type":"json_schema","name":"a","strict":true,"schema":{"type":"object","properties":{}}}}}`, "'additionalProperties' is required", "text.format.schema", "invalid_json_schema"},
	{`{"text":{"format":{"type":"json_object"}},"instructions":"answer in JSON"}`, "Response input messages must contain the word 'json' in some form", "input", ""},
	{`{"include":["everything"]}`, "Invalid value: 'everything'", "include[0]", "invalid_value"},

	{`{"parallel_tool_calls":true}`, "'parallel_tool_calls' is only allowed when 'tools' are specified", "parallel_tool_calls", ""},
	{`{"parallel_tool_calls":true,"tools":[]}`, "'parallel_tool_calls' is only allowed when 'tools' are specified", "parallel_tool_calls", ""},
	{`{"tool_choice":"auto"}`, "Tool choice 'auto' must be specified with 'tools' parameter.", "tool_choice", ""},
	{`{"tool_choice":"required","tools":[]}`, "Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice", ""},
	{`{"tool_choice":"any","tools":[` + fn + `]}`, "Invalid value: 'any'", "tool_choice", "invalid_value"},
	{`{"tool_choice":{"type":"image_generation"},"tools":[{"type":"image_generation"}]}`, "Tool choice 'image_generation' not found in 'tools' parameter.", "tool_choice", ""},
	{`{"tool_choice":{"type":"function","name":"g"},"tools":[` + fn + `]}`, "Tool choice 'g' not found in 'tools' parameter.", "tool_choice", ""},
	{`{"tool_choice":{"type":"function","function":{"name":"f"}},"tools":[` + fn + `]}`, "Missing required parameter: 'tool_choice.name'.", "tool_choice.name", "missing_required_parameter"},
	{`{"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"g"}]},"tools":[` + fn + `]}`, "Tool choice 'g' not found", "tool_choice.tools[0]", ""},
	{`{"tools":[{"type":"web_search_preview"}]}`, "Unsupported tool type: web_search_preview", "", ""},
	{`{"tools":[{"type":"function","function":{"name":"f"}}]}`, "Missing required parameter: 'tools[0].name'.", "tools[0].name", "missing_required_parameter"},
	{`{"tools":[{"type":"function","name":"` + long + `"}]}`, "Invalid 'tools[0].name': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.", "tools[0].name", "string_above_max_length"},
	{`{"tools":[{"type":"function","name":"a.b"}]}`, "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", "tools[0].name", "invalid_value"},
	{`{"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}]}`, "Invalid schema for function 'f': In context=(), object schema missing properties.", "tools[0].parameters", "invalid_function_parameters"},
	{`{"tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"object","properties":{}}},"required":["a"],"additionalProperties":false}}]}`, "In context=('properties', 'a'), 'additionalProperties' is required", "tools[0].parameters", "invalid_function_parameters"},
	{`{"tools":[{"type":"function","name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":[],"additionalProperties":false}}]}`, "Missing 'a'.", "tools[0].parameters", "invalid_function_parameters"},
	{`{"tools":[{"type":"custom","custom":{"name":"c"}}]}`, "Missing required parameter: 'tools[0].name'.", "tools[0].name", "missing_required_parameter"},
	{`{"tools":[{"type":"function","name":"f","parameters":null,"prompt_cache_breakpoint":{}}]}`, "prompt_cache_breakpoint is not supported on this model", "tools[0].prompt_cache_breakpoint", "unsupported_parameter"},

	{`{"input":[{"role":"user","content":[{"type":"input_text","text":"x","prompt_cache_breakpoint":{"type":"ephemeral"}}]}]}`, "prompt_cache_breakpoint is not supported on this model", "input[0].content[0].prompt_cache_breakpoint", "unsupported_parameter"},
	{`{"input":[{"role":"system","content":"x"}]}`, "System messages are not allowed", "", ""},
	{`{"input":[{"type":"message","role":"tool","content":"x"}]}`, "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", "input[0].role", "invalid_value"},
	{`{"input":[{"role":"user"}]}`, "Missing required parameter: 'input[0].content'.", "input[0].content", "missing_required_parameter"},
	{`{"input":[{"role":"user","content":"x","name":"n"}]}`, "Unknown parameter: 'input[0].name'.", "input[0].name", "unknown_parameter"},
	{`{"input":[` + user + `,{"role":"assistant","content":"x","reasoning_content":"y"}]}`, "Unknown parameter: 'input[1].reasoning_content'.", "input[1].reasoning_content", "unknown_parameter"},
	{`{"input":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`, "Invalid value: 'text'", "input[0].content[0].type", "invalid_value"},
	{`{"input":[{"role":"user","content":[{"type":"input_image","image_url":{"url":"data:"}}]}]}`, "expected an image URL, but got an object", "input[0].content[0].image_url", "invalid_type"},
	{`{"input":[{"role":"assistant","content":[{"type":"input_image","image_url":"data:"}]}]}`, "Invalid value: 'input_image'. Supported values are: 'output_text' and 'refusal'.", "input[0].content[0].type", "invalid_value"},
	{`{"model":"gpt-5.3-codex-spark","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:"}]}]}`, "does not support image inputs", "input", ""},
	{`{"input":[{"type":"message","id":"item_1","role":"user","content":"x"}]}`, "Invalid 'input[0].id': 'item_1'. Expected an ID that begins with 'msg'.", "input[0].id", "invalid_value"},
	{`{"input":[{"type":"message","id":"","role":"user","content":"x"}]}`, "Expected an ID that begins with 'msg'.", "input[0].id", "invalid_value"},
	{`{"input":[{"type":"message","id":"msg_` + long + `","role":"user","content":"x"}]}`, "string too long", "input[0].id", "string_above_max_length"},
	{`{"input":[{"type":"message","id":"msg_a:b","role":"user","content":"x"}]}`, "letters, numbers, underscores, or dashes", "input[0].id", "invalid_value"},
	{`{"input":[{"type":"reasoning","encrypted_content":"e"},` + user + `]}`, "Missing required parameter: 'input[0].summary'.", "input[0].summary", "missing_required_parameter"},
	{`{"input":[{"type":"reasoning","summary":[],"content":null,"encrypted_content":"e"},` + user + `]}`, "expected an array of objects, but got null", "input[0].content", "invalid_type"},
	{`{"input":[` + user + `,{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"e"}]}`, "Item 'rs_1' of type 'reasoning' was provided without its required following item.", "input", ""},
	{`{"input":[{"type":"reasoning","id":"rs_1","summary":[]},` + user + `]}`, "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.", "input", ""},
	{`{"input":[{"type":"item_reference","id":"rs_1"},` + user + `]}`, "Item with id 'rs_1' not found.", "input", ""},
	{`{"input":[{"type":"function_call","call_id":"` + long + `","name":"f","arguments":"{}"}]}`, "Invalid 'input[0].call_id': string too long.", "input[0].call_id", "string_above_max_length"},
	{`{"input":[{"type":"function_call","call_id":"c","name":"` + long + `","arguments":"{}"}]}`, "Invalid 'input[0].name': string too long.", "input[0].name", "string_above_max_length"},
	{`{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{}}]}`, "expected a string, but got an object", "input[0].arguments", "invalid_type"},
	{`{"input":[` + user + `,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}`, "No tool output found for function call c.", "input", ""},
	{`{"input":[{"type":"custom_tool_call","call_id":"c","name":"f","input":"x"}]}`, "No tool output found for custom tool call c.", "input", ""},
	{`{"input":[` + user + `,{"type":"function_call_output","call_id":"c","output":"x"}]}`, "No tool call found for function call output with call_id c.", "input", ""},
	{`{"input":[{"type":"function_call_output","call_id":"c","output":"x"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}`, "No tool call found for function call output with call_id c.", "input", ""},
	{`{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"custom_tool_call_output","call_id":"c","output":"x"}]}`, "No tool call found for custom tool call output with call_id c.", "input", ""},
	{`{"input":[{"type":"function","name":"f"}]}`, "Invalid value: 'function'", "input[0].type", "invalid_value"},
	{`{"input":["text"]}`, "expected an object, but got a string", "input[0]", "invalid_type"},
}

func TestBodiesThatTheBackendRefuses(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{})
	for _, c := range refusals {
		t.Run(c.fields, func(t *testing.T) {
			body := with(t, c.fields)
			err := sandbox.CheckResponsesBody(body, nil)
			var refused *sandbox.BodyError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) || refused.Code != c.code {
				t.Fatalf("the rules say %v (%+v), want %s, %s", err, refused, c.says, c.code)
			}
			got := r.ask(tokens, string(body)).want(t, refused.Status, "").fields(t)
			if e, nested := got["error"].(map[string]any); nested {
				param, _ := e["param"].(string)
				if !strings.Contains(e["message"].(string), c.says) || param != c.param || e["type"] != "invalid_request_error" {
					t.Errorf("answered %v", got)
				}
			} else if detail, _ := got["detail"].(string); !strings.Contains(detail, c.says) || c.param != "" || len(got) != 1 {
				t.Errorf("answered %v", got)
			}
		})
	}
	if c := r.Counters(); c.BackendRefused != len(refusals) {
		t.Errorf("%d bodies are counted as refused, want %d", c.BackendRefused, len(refusals))
	}
	for _, body := range []string{`[]`, `null`, `{`, ``, `{"a":` + strings.Repeat("[", 20_000)} {
		if err := sandbox.CheckResponsesBody([]byte(body), nil); err == nil {
			t.Errorf("%.20q is taken", body)
		}
	}
}

func TestBodiesThatTheBackendTakes(t *testing.T) {
	for _, fields := range []string{
		`{}`,
		`{"reasoning":null}`,
		`{"reasoning":{"effort":"max","summary":"auto","context":"all_turns"},"model":"gpt-5.6-sol"}`,
		`{"service_tier":"priority","prompt_cache_key":"k","client_metadata":{"a":"b"},"stream_options":{"reasoning_summary_delivery":"x"}}`,
		`{"text":{"format":{"type":"json_object"}},"input":[{"role":"developer","content":[{"type":"input_text","text":"Answer in JSON."}]}]}`,
		`{"text":{"verbosity":"low","format":{"type":"json_schema","name":"a","schema":{"type":"object"}}}}`,
		`{"tools":[],"tool_choice":"auto","parallel_tool_calls":false}`,
		`{"tools":[` + fn + `],"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":true}`,
		`{"tools":[` + fn + `,{"type":"web_search"}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"web_search"}]}}`,
		`{"tools":[{"type":"function","name":"f","strict":null,"parameters":{"type":"object","properties":{"prompt_cache_breakpoint":{"type":"string"}}}}]}`,
		`{"tool_choice":"auto","input":[{"type":"additional_tools","role":"developer","tools":[` + fn + `]},` + user + `]}`,
		`{"input":[{"type":"reasoning","summary":[{"type":"summary_text","text":"x"}],"encrypted_content":"e"},{"type":"function_call","id":"fc_1","call_id":"c","name":"f","arguments":"no JSON"},{"type":"function_call_output","id":"fco_1","call_id":"c","output":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:","detail":"original"}]}]}`,
		`{"input":[{"type":"custom_tool_call","id":"ctc_1","call_id":"c","name":"f","input":"x"},{"type":"custom_tool_call_output","id":"ctco_1","call_id":"c","output":"x"},{"role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"x"},{"type":"refusal","refusal":"x"}]},{"type":"web_search_call","id":"ws_1","status":"completed"}]}`,
	} {
		if err := sandbox.CheckResponsesBody(with(t, fields), nil); err != nil {
			t.Errorf("%s: %v", fields, err)
		}
	}
}

// What the official CLI 0.169 sent is taken, by the rules and by the backend.
func TestOfficialTraffic(t *testing.T) {
	files, err := filepath.Glob("testdata/codex169/*.json")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{})
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sent struct{ Body json.RawMessage }
		if err := json.Unmarshal(text, &sent); err != nil {
			t.Fatal(err)
		}
		if err := sandbox.CheckResponsesBody(sent.Body, nil); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		r.ask(tokens, string(sent.Body)).want(t, 200, "")
	}
}

// Deep, wide and large bodies cost no more than reading them does, and a
// message of the rules never holds what was said.
func FuzzCheckResponsesBody(f *testing.F) {
	for _, c := range refusals {
		f.Add([]byte(c.fields))
	}
	f.Add([]byte(`{"tools":[{"type":"function","name":"f","strict":true,"parameters":` + strings.Repeat(`{"items":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}]}`))
	f.Add([]byte(`{"input":[` + strings.Repeat(`[`, 4000) + strings.Repeat(`]`, 4000) + `]}`))
	f.Fuzz(func(t *testing.T, fields []byte) {
		body := base()
		if json.Unmarshal(fields, &body) != nil || body == nil {
			t.Skip("no object")
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range []func([]byte, []sandbox.Model) error{sandbox.CheckResponsesBody, sandbox.CheckCompactBody} {
			var refused *sandbox.BodyError
			if err := check(text, nil); err != nil && (!errors.As(err, &refused) || refused.Message == "" || refused.Status < 400) {
				t.Errorf("refused with %+v", err)
			}
		}
	})
}
