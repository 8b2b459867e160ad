package openai

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A judge says why the backend would refuse a body. The sandbox's can stand here.
type judge func(body []byte, api API) error

var backend judge = strict

// strict is what is known of the backend's refusals, written down a second time and
// in another way than the code: over decoded values, and by type.
func strict(body []byte, api API) error {
	var b map[string]any
	if err := json.Unmarshal(body, &b); err != nil {
		return err
	}
	top := []string{"model", "input", "instructions", "tools", "parallel_tool_calls", "reasoning", "service_tier", "prompt_cache_key", "text"}
	if api != Compact {
		top = append(top, "tool_choice", "store", "stream", "include", "client_metadata", "stream_options")
		if b["store"] != false || b["stream"] != true {
			return fmt.Errorf("store %v, stream %v", b["store"], b["stream"])
		}
		if !slices.Contains(b["include"].([]any), any("reasoning.encrypted_content")) {
			return fmt.Errorf("include %v", b["include"])
		}
	}
	if err := only(b, "body", top...); err != nil {
		return err
	}
	for _, check := range []func(map[string]any) error{strictTop, strictReasoning, strictText, strictTools, strictInput} {
		if err := check(b); err != nil {
			return err
		}
	}
	if api == Compact {
		return nil
	}
	return strictPairs(b)
}

func only(o map[string]any, at string, keys ...string) error {
	for k, v := range o {
		if !slices.Contains(keys, k) {
			return fmt.Errorf("unknown parameter: %s.%s", at, k)
		}
		if v == nil {
			return fmt.Errorf("%s.%s is null", at, k)
		}
	}
	return nil
}

func strictTop(b map[string]any) error {
	for _, key := range []string{"model", "instructions"} {
		if _, ok := b[key].(string); !ok {
			return fmt.Errorf("%s is %T", key, b[key])
		}
	}
	if m, ok := b["client_metadata"]; ok && fmt.Sprintf("%T", m) != "map[string]interface {}" {
		return fmt.Errorf("client_metadata is %T", m)
	}
	if k, ok := b["prompt_cache_key"]; ok && fmt.Sprintf("%T", k) != "string" {
		return fmt.Errorf("prompt_cache_key is %T", k)
	}
	if tier, ok := b["service_tier"]; ok && (tier != "priority" || !known(b).priority) {
		return fmt.Errorf("service_tier %v", tier)
	}
	return nil
}

// known is what the fixture says of the body's model.
func known(b map[string]any) model {
	if one := testModels().get(fmt.Sprint(b["model"])); one != nil {
		return *one
	}
	return model{}
}

func strictReasoning(b map[string]any) error {
	r, given := b["reasoning"].(map[string]any)
	if !given {
		return nil
	}
	m := known(b)
	if effort, ok := r["effort"]; ok && m.levels {
		word := fmt.Sprint(effort)
		if word == "ultra" || !slices.Contains(m.efforts, word) && !(word == "max" && slices.Contains(m.efforts, "ultra")) {
			return fmt.Errorf("effort %s of %v", word, m.efforts)
		}
	}
	if s, ok := r["summary"]; ok && (!m.summary || !slices.Contains([]any{"auto", "concise", "detailed"}, s)) {
		return fmt.Errorf("summary %v", s)
	}
	return only(r, "reasoning", "effort", "summary", "context")
}

func strictText(b map[string]any) error {
	text, given := b["text"].(map[string]any)
	if !given {
		return nil
	}
	if v, ok := text["verbosity"]; ok && (!known(b).verbosity || !slices.Contains([]any{"low", "medium", "high"}, v)) {
		return fmt.Errorf("verbosity %v", v)
	}
	format, _ := text["format"].(map[string]any)
	switch format["type"] {
	case nil:
	case "json_object":
		if in, _ := json.Marshal(b["input"]); !strings.Contains(strings.ToLower(string(in)), "json") && !strings.Contains(string(in), `\u`) {
			return fmt.Errorf("no word json in %s", in)
		}
		return only(format, "text.format", "type")
	case "json_schema":
		if err := only(format, "text.format", "type", "name", "schema", "strict", "description"); err != nil {
			return err
		}
		return fitting(format["name"], "text.format.name")
	default:
		return fmt.Errorf("format %v", format)
	}
	return only(text, "text", "format", "verbosity")
}

var pattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

func fitting(v any, at string) error {
	if s, ok := v.(string); !ok || !pattern.MatchString(s) {
		return fmt.Errorf("%s: %v", at, v)
	}
	return nil
}

func strictTools(b map[string]any) error {
	list, given := b["tools"].([]any)
	added := strings.Contains(fmt.Sprint(b["input"]), "additional_tools")
	if given && len(list) == 0 {
		return fmt.Errorf("tools are there and empty")
	}
	names := map[string]bool{}
	for i, v := range list {
		tool, at := v.(map[string]any), fmt.Sprintf("tools[%d]", i)
		switch tool["type"] {
		case "function", "custom":
			if err := fitting(tool["name"], at+".name"); err != nil {
				return err
			}
			names[fmt.Sprint(tool["name"])] = true
			if schema, ok := tool["parameters"].(map[string]any); ok && schema["type"] == "object" && schema["properties"] == nil {
				return fmt.Errorf("%s: object schema missing properties", at)
			}
			for k := range tool {
				if !slices.Contains([]string{"type", "name", "description", "parameters", "strict", "format", "defer_loading", "output_schema"}, k) {
					return fmt.Errorf("unknown parameter: %s.%s", at, k)
				}
			}
		case "web_search_preview", nil:
			return fmt.Errorf("%s is a %v", at, tool["type"])
		}
	}
	_, parallel := b["parallel_tool_calls"]
	if choice := b["tool_choice"]; len(list) == 0 && !added && (choice != nil || parallel) {
		return fmt.Errorf("tool_choice %v or parallel_tool_calls without tools", choice)
	} else if o, ok := choice.(map[string]any); ok && o["type"] != "allowed_tools" {
		if o["type"] != "function" && o["type"] != "custom" || len(list) > 0 && !names[fmt.Sprint(o["name"])] && !added && !strings.Contains(fmt.Sprint(list), "namespace") && !strings.Contains(fmt.Sprint(list), "mcp") && !strings.Contains(fmt.Sprint(list), "tool_search") {
			return fmt.Errorf("tool choice %v not found in tools", o)
		}
	}
	return nil
}

var strictItems = map[string][]string{
	"message":                 {"type", "role", "content", "status", "phase"},
	"reasoning":               {"type", "summary", "encrypted_content"},
	"function_call":           {"type", "call_id", "name", "arguments", "status", "namespace"},
	"custom_tool_call":        {"type", "call_id", "name", "input", "status", "namespace"},
	"function_call_output":    {"type", "call_id", "output", "status"},
	"custom_tool_call_output": {"type", "call_id", "output", "status"},
}

func strictInput(b map[string]any) error {
	list, ok := b["input"].([]any)
	if !ok || len(list) == 0 {
		return fmt.Errorf("input is %T with %d items", b["input"], len(list))
	}
	for i, v := range list {
		it, at := v.(map[string]any), fmt.Sprintf("input[%d]", i)
		kind := fmt.Sprint(it["type"])
		keys, known := strictItems[kind]
		if !known {
			if kind == "item_reference" || kind == "<nil>" {
				return fmt.Errorf("%s is a %s", at, kind)
			}
			continue
		}
		if err := only(it, at, keys...); err != nil {
			return err
		}
		if err := strictItem(b, it, kind, at); err != nil {
			return err
		}
	}
	return nil
}

func strictItem(b, it map[string]any, kind, at string) error {
	switch kind {
	case "message":
		kinds := []string{"input_text", "input_image", "input_file"}
		switch it["role"] {
		case "assistant":
			kinds = []string{"output_text", "refusal"}
		case "user", "developer":
		default:
			return fmt.Errorf("%s: role %v", at, it["role"])
		}
		return strictParts(b, it["content"], at+".content", kinds)
	case "reasoning":
		return strictParts(b, it["summary"], at+".summary", []string{"summary_text"})
	}
	if err := fitting(it["call_id"], at+".call_id"); err != nil {
		return err
	}
	for _, key := range []string{"name", "arguments", "input"} {
		if _, isText := it[key].(string); slices.Contains(strictItems[kind], key) && !isText {
			return fmt.Errorf("%s.%s is %T", at, key, it[key])
		}
	}
	if _, isText := it["output"].(string); strings.HasSuffix(kind, "_output") && !isText {
		return strictParts(b, it["output"], at+".output", []string{"input_text", "input_image", "input_file"})
	}
	return nil
}

func strictParts(b map[string]any, v any, at string, kinds []string) error {
	list, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%s is %T", at, v)
	}
	keys := map[string][]string{
		"input_text": {"text"}, "output_text": {"text"}, "summary_text": {"text"}, "refusal": {"refusal"},
		"input_image": {"image_url", "detail"}, "input_file": {"file_data", "file_url", "filename"},
	}
	for i, v := range list {
		part, at := v.(map[string]any), fmt.Sprintf("%s[%d]", at, i)
		kind := fmt.Sprint(part["type"])
		if !slices.Contains(kinds, kind) {
			return fmt.Errorf("%s: invalid value %s; supported are %v", at, kind, kinds)
		}
		if err := only(part, at, append(keys[kind], "type")...); err != nil {
			return err
		}
		if kind != "input_file" {
			if _, ok := part[keys[kind][0]].(string); !ok {
				return fmt.Errorf("%s.%s is %T", at, keys[kind][0], part[keys[kind][0]])
			}
		}
		if m := known(b); kind == "input_image" && (m.noImages || part["detail"] == "original" && !m.original) {
			return fmt.Errorf("%s: an image, detail %v, for %s", at, part["detail"], m.slug)
		}
	}
	return nil
}

// strictPairs is what the items have to say together.
func strictPairs(b map[string]any) error {
	calls, open := map[string]string{}, map[string]bool{}
	after, opaque := "", false
	for _, v := range b["input"].([]any) {
		it := v.(map[string]any)
		kind, id := fmt.Sprint(it["type"]), fmt.Sprint(it["call_id"])
		if after == "reasoning" && kind != "reasoning" && (it["role"] == "user" || it["role"] == "developer" || strings.HasSuffix(kind, "_output")) {
			return fmt.Errorf("reasoning without its required following item")
		}
		after = kind
		switch kind {
		case "function_call", "custom_tool_call":
			calls[id], open[id] = kind, true
		case "function_call_output", "custom_tool_call_output":
			if of, ok := calls[id]; !ok && !opaque || ok && of+"_output" != kind {
				return fmt.Errorf("no tool call found for %s %s", kind, id)
			}
			delete(open, id)
		case "message", "reasoning":
		default:
			opaque = true
		}
	}
	if after == "reasoning" || len(open) > 0 {
		return fmt.Errorf("reasoning at the end, or calls without results: %v", open)
	}
	return nil
}

// parse reads a body in the API of a case's path, against the models of the fixture.
func parse(api API, body string) (*Request, error) {
	c := Context{Models: testModels(), CacheKey: "seed"}
	switch api {
	case ChatCompletions:
		return ParseChat([]byte(body), c)
	case Compact:
		return ParseCompact([]byte(body), c)
	}
	return ParseResponses([]byte(body), c)
}

// accepted parses a body, has it judged, and returns what is sent.
func accepted(t *testing.T, api API, body string) *Request {
	t.Helper()
	req, err := parse(api, body)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if err := backend(req.Body, api); err != nil {
		t.Fatalf("the backend refuses: %v\n%s", err, req.Body)
	}
	return req
}
