package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// A BodyError says why the backend does not take a body, in the backend's own
// words where they are known. Values of the caller stand in it only where the
// backend quotes them, too: names, ids and choices, never what was said.
type BodyError struct {
	Status  int    // 400, or 404 for an item that is not kept
	Message string // what the backend says
	Param   string // the field, "" where the backend names none
	Code    string // of the backend, "" where it has none

	detail bool // answered as {"detail":…} and not as {"error":{…}}
}

func (e *BodyError) Error() string { return e.Message }

// body is the JSON that the backend answers.
func (e *BodyError) body() map[string]any {
	if e.detail {
		return map[string]any{"detail": e.Message}
	}
	return map[string]any{"error": map[string]any{
		"message": e.Message, "type": "invalid_request_error", "param": orNull(e.Param), "code": orNull(e.Code),
	}}
}

// CheckResponsesBody is the backend's judgement of the body of a POST to
// …/responses: nil, or a [*BodyError] for the first thing that it refuses. The
// models are those that it knows; nil are [DefaultModels]. Whether it can read
// the encrypted_content that it is sent, only a [Server] can say.
func CheckResponsesBody(body []byte, models []Model) error {
	return checkBody(body, models, overHTTP)
}

// CheckCompactBody is [CheckResponsesBody] for a POST to …/responses/compact.
func CheckCompactBody(body []byte, models []Model) error {
	return checkBody(body, models, forCompact)
}

func checkBody(body []byte, models []Model, of dialect) error {
	if models == nil {
		models = DefaultModels()
	}
	if _, refused := readBody(body, models, of); refused != nil {
		return refused
	}
	return nil
}

// A dialect is one of the ways to ask.
type dialect int

const (
	overHTTP dialect = iota
	overWebSocket
	forCompact
)

// keys are the fields that a body may have at the top.
func (d dialect) keys() []string {
	keys := []string{"model", "input", "instructions", "tools", "parallel_tool_calls", "reasoning", "store", "service_tier", "prompt_cache_key", "text"}
	if d == forCompact {
		return keys
	}
	keys = append(keys, "stream", "include", "tool_choice", "client_metadata", "stream_options")
	if d == overWebSocket {
		keys = append(keys, "previous_response_id", "generate")
	}
	return keys
}

// A prompt is a body that the backend takes.
type prompt struct {
	fields map[string]any
	input  []map[string]any
	model  Model
}

// readBody checks one body in the order in which the backend is known to: fields
// that it does not know first, then each field, then what the items say together.
func readBody(body []byte, models []Model, of dialect) (*prompt, *BodyError) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, &BodyError{Status: http.StatusBadRequest, Message: "The body is not a JSON object.", Code: "invalid_request"}
	}
	p := &prompt{fields: fields}
	for _, check := range []func() *BodyError{
		func() *BodyError { return p.checkKeys(of) },
		func() *BodyError { return p.checkModel(models) },
		func() *BodyError { return p.checkSwitches(of) },
		p.checkBreakpoints, p.checkInstructions, p.checkTier, p.checkReasoning, p.checkText, p.checkOthers,
		p.checkTools, p.checkToolChoice,
		p.checkInput,
		func() *BodyError { return p.checkPairs(fields["previous_response_id"] != nil) },
		p.checkWordJSON,
	} {
		if refused := check(); refused != nil {
			return nil, refused
		}
	}
	return p, nil
}

func (p *prompt) checkKeys(of dialect) *BodyError {
	known := of.keys()
	for _, key := range slices.Sorted(maps.Keys(p.fields)) {
		if !slices.Contains(known, key) {
			return refuseDetail(key, "Unsupported parameter: %.80s", key)
		}
	}
	return nil
}

func (p *prompt) checkModel(models []Model) *BodyError {
	slug, ok := p.fields["model"].(string)
	if !ok || slug == "" {
		return refuseDetail("model", "Model must be a string")
	}
	i := slices.IndexFunc(models, func(m Model) bool { return m.Slug == slug })
	if i < 0 {
		return refuseDetail("model", "The '%.80s' model is not supported when using Codex with a ChatGPT account.", slug)
	}
	p.model = models[i]
	return nil
}

// checkSwitches is for the two fields that have one right value.
func (p *prompt) checkSwitches(of dialect) *BodyError {
	if _, list := p.fields["input"].([]any); !list {
		return refuseDetail("input", "Input must be a list")
	}
	store, given := p.fields["store"]
	if store != false && (given || of != forCompact) {
		return refuseDetail("store", "Store must be set to false")
	}
	stream, given := p.fields["stream"]
	if stream != true && (of == overHTTP || given) {
		return refuseDetail("stream", "Stream must be set to true")
	}
	return nil
}

func (p *prompt) checkInstructions() *BodyError {
	text, given := p.fields["instructions"]
	if _, ok := text.(string); given && !ok {
		return refuseDetail("instructions", "Instructions are not valid")
	}
	return nil
}

func (p *prompt) checkTier() *BodyError {
	tier, given := p.fields["service_tier"]
	if name, _ := tier.(string); given && !slices.Contains(p.model.Tiers, name) {
		return refuseDetail("service_tier", "Unsupported service_tier: %.40v", tier)
	}
	return nil
}

// checkOthers is for the fields about which little is known but their kind.
func (p *prompt) checkOthers() *BodyError {
	if v, given := p.fields["prompt_cache_key"]; given {
		if _, ok := v.(string); !ok {
			return wrongType("prompt_cache_key", "a string", v)
		}
	}
	if v, given := p.fields["client_metadata"]; given {
		if _, ok := v.(map[string]any); !ok {
			return wrongType("client_metadata", "an object", v)
		}
	}
	if v, given := p.fields["include"]; given {
		list, ok := v.([]any)
		if !ok {
			return wrongType("include", "an array of strings", v)
		}
		for i, what := range list {
			if refused := oneOf(what, fmt.Sprintf("include[%d]", i), includable); refused != nil {
				return refused
			}
		}
	}
	if v, given := p.fields["stream_options"]; given {
		options, ok := v.(map[string]any)
		if !ok {
			return wrongType("stream_options", "an object", v)
		}
		return onlyKeys(options, "stream_options", "reasoning_summary_delivery")
	}
	return nil
}

var includable = []string{
	"reasoning.encrypted_content", "message.output_text.logprobs", "message.input_image.image_url", "file_search_call.results",
	"web_search_call.results", "web_search_call.action.sources", "code_interpreter_call.outputs", "computer_call_output.output.image_url",
}

// checkBreakpoints looks for prompt_cache_breakpoint at every depth. A schema may
// have a property of that name.
func (p *prompt) checkBreakpoints() *BodyError {
	for _, key := range []string{"input", "tools"} {
		if path, found := findKey(p.fields[key], "prompt_cache_breakpoint", false); found {
			return refuseBody(key+path, "unsupported_parameter", "prompt_cache_breakpoint is not supported on this model")
		}
	}
	return nil
}

// findKey looks for a key in the order of a body whose keys are sorted. The path
// is put together on the way back, so that a deep and wide body costs no more.
func findKey(v any, name string, inProperties bool) (path string, found bool) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if path, found := findKey(e, name, false); found {
				return fmt.Sprintf("[%d]%s", i, path), true
			}
		}
	case map[string]any:
		if _, there := v[name]; there && !inProperties {
			return "." + name, true
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if path, found := findKey(v[key], name, key == "properties"); found {
				return "." + key + path, true
			}
		}
	}
	return "", false
}
