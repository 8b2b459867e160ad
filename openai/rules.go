package openai

import "encoding/json"

// A verdict is what becomes of a field.
type verdict string

const (
	passed  verdict = "passed"  // its bytes go on as they are
	mapped  verdict = "mapped"  // it is read, and said in the backend's terms
	dropped verdict = "dropped" // left out, and named
	refused verdict = "refused" // 400: leaving it out would change the meaning
)

// A rule is the verdict on one field at the top of a body. docs/openai.md shows
// them; a test keeps the two the same.
type rule struct {
	name    string
	verdict verdict
	quiet   func(json.RawMessage) bool // a value that means nothing: left out, and not named
	note    string
}

// chatRules are the fields of POST /v1/chat/completions.
var chatRules = [...]rule{
	{"model", mapped, nil, "the slug; `openai/` in front of it and an effort behind it are understood"},
	{"messages", mapped, nil, "to `input`; system and developer messages in place, as `developer`"},
	{"stream", mapped, nil, "the backend always streams; without it the answer is collected"},
	{"stream_options", mapped, nil, "`include_usage` is obeyed; nothing is passed on"},
	{"tools", mapped, nil, "flat; `strict` is written out, false unless it is set; schemas keep their bytes"},
	{"tool_choice", mapped, nil, "left out without tools"},
	{"parallel_tool_calls", mapped, nil, "left out without tools"},
	{"functions", mapped, nil, "to tools, one call at a time; the answer has `function_call`"},
	{"function_call", mapped, nil, "to `tool_choice`"},
	{"response_format", mapped, nil, "to `text.format`; `json_object` requires the word \"json\" in a message"},
	{"reasoning_effort", mapped, nil, "to `reasoning.effort`; the nearest that the model has, and then named"},
	{"reasoning", mapped, nil, "`effort` and `summary`, as some clients send it"},
	{"enable_thinking", mapped, nil, "false is the lowest effort"},
	{"thinking", mapped, nil, "`disabled` is the lowest effort; a budget is dropped"},
	{"verbosity", mapped, nil, "to `text.verbosity` where the model takes it, otherwise dropped"},
	{"stop", mapped, nil, "the text is cut here, before the first match"},
	{"service_tier", mapped, nil, "`priority` and `fast` where the model has it, otherwise dropped; `auto` and `default` have no effect"},
	{"prompt_cache_key", passed, nil, "derived from the key and the beginning of the conversation if missing"},
	{"web_search_options", mapped, nil, "to the tool `web_search`"},
	{"max_tokens", dropped, nil, "the backend takes no limit"},
	{"max_completion_tokens", dropped, nil, "the backend takes no limit"},
	{"temperature", dropped, isOne, "as if 1"},
	{"top_p", dropped, isOne, "as if 1"},
	{"presence_penalty", dropped, isZero, ""},
	{"frequency_penalty", dropped, isZero, ""},
	{"seed", dropped, nil, ""},
	{"prediction", dropped, nil, ""},
	{"user", dropped, nil, ""},
	{"safety_identifier", dropped, nil, ""},
	{"metadata", dropped, isHollow, ""},
	{"store", dropped, isFalse, "nothing is stored"},
	{"prompt_cache_retention", dropped, nil, ""},
	{"prompt_cache_options", dropped, nil, ""},
	{"prompt_cache_breakpoint", dropped, nil, "in parts, items and tools, too"},
	{"n", refused, isOne, "more than one answer"},
	{"logprobs", refused, isFalse, ""},
	{"top_logprobs", refused, isZero, ""},
	{"logit_bias", refused, isHollow, ""},
	{"modalities", refused, isTextOnly, "anything but text"},
	{"audio", refused, nil, ""},
	{"moderation", refused, nil, ""},
}

// responsesRules are the fields of POST /v1/responses, and of /v1/responses/compact
// so far as that has them.
var responsesRules = [...]rule{
	{"model", mapped, nil, "the slug; `openai/` in front of it and an effort behind it are understood"},
	{"input", mapped, nil, "a string becomes a message; roles, ids and parts as the backend takes them"},
	{"instructions", passed, nil, "empty if there are none"},
	{"stream", mapped, nil, "the backend always streams; without it the answer is collected"},
	{"stream_options", mapped, nil, "`reasoning_summary_delivery` passes; `include_obfuscation` has no effect"},
	{"tools", passed, nil, "byte for byte, but for what the backend would refuse"},
	{"tool_choice", mapped, nil, "left out without tools"},
	{"parallel_tool_calls", passed, nil, "left out without tools"},
	{"reasoning", mapped, nil, "`effort` as the model has it, `summary` where it takes one, `context`"},
	{"text", mapped, nil, "`format`, and `verbosity` where the model takes it"},
	{"include", mapped, nil, "`reasoning.encrypted_content` is added"},
	{"service_tier", mapped, nil, "`priority` and `fast` where the model has it, otherwise dropped; `auto` and `default` have no effect"},
	{"prompt_cache_key", passed, nil, "derived from the key and the beginning of the conversation if missing"},
	{"client_metadata", passed, nil, ""},
	{"previous_response_id", mapped, nil, "its conversation, if it is remembered; otherwise refused"},
	{"store", dropped, isFalse, "nothing is stored; without `false` the answer is remembered for a while"},
	{"max_output_tokens", dropped, nil, "the backend takes no limit"},
	{"max_tool_calls", dropped, nil, ""},
	{"temperature", dropped, isOne, "as if 1"},
	{"top_p", dropped, isOne, "as if 1"},
	{"presence_penalty", dropped, isZero, ""},
	{"frequency_penalty", dropped, isZero, ""},
	{"user", dropped, nil, ""},
	{"safety_identifier", dropped, nil, ""},
	{"metadata", dropped, isHollow, ""},
	{"truncation", dropped, isAny, "never named: clients always send it"},
	{"context_management", dropped, nil, ""},
	{"prompt_cache_retention", dropped, nil, ""},
	{"prompt_cache_options", dropped, nil, ""},
	{"prompt_cache_breakpoint", dropped, nil, "in parts, items and tools, too"},
	{"top_logprobs", refused, isZero, ""},
	{"background", refused, isFalse, "needs storage"},
	{"conversation", refused, nil, "needs storage"},
	{"prompt", refused, nil, "needs storage"},
	{"moderation", refused, nil, ""},
	{"messages", refused, nil, "belongs to /v1/chat/completions"},
}

// compactLeaves are the fields of Responses that compacting has no use for.
var compactLeaves = [...]string{"stream", "stream_options", "include", "tool_choice", "client_metadata"}

func isAny(json.RawMessage) bool       { return true }
func isFalse(raw json.RawMessage) bool { return raw[0] == 'f' }
func isZero(raw json.RawMessage) bool  { return isNumber(raw, 0) }
func isOne(raw json.RawMessage) bool   { return isNumber(raw, 1) }

func isNumber(raw json.RawMessage, want float64) bool {
	var n float64
	return raw[0] != '"' && json.Unmarshal(raw, &n) == nil && n == want
}

func isTextOnly(raw json.RawMessage) bool {
	var list []string
	return json.Unmarshal(raw, &list) == nil && len(list) == 1 && list[0] == "text"
}

func ruleFor(rules []rule, name string) *rule {
	for i := range rules {
		if rules[i].name == name {
			return &rules[i]
		}
	}
	return nil
}
