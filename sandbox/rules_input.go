package sandbox

import (
	"fmt"
	"net/http"
	"strings"
)

// idPrefix is what the id of an item begins with; "" if anything will do. A map would
// be made at every start of a program that has a sandbox in it, used or not.
func idPrefix(kind string) string {
	switch kind {
	case "message":
		return "msg"
	case "reasoning":
		return "rs"
	case "web_search_call":
		return "ws"
	case "function_call", "function_call_output":
		return "fc"
	case "custom_tool_call", "custom_tool_call_output":
		return "ctc"
	}
	return ""
}

// itemKeys are the fields of an item, or nil if they are not known.
func itemKeys(kind string) []string {
	switch kind {
	case "message":
		return []string{"type", "id", "role", "content", "status", "phase"}
	case "reasoning":
		return []string{"type", "id", "summary", "content", "encrypted_content", "status"}
	case "function_call":
		return []string{"type", "id", "call_id", "name", "arguments", "status", "namespace"}
	case "function_call_output":
		return []string{"type", "id", "call_id", "output", "status"}
	case "custom_tool_call":
		return []string{"type", "id", "call_id", "name", "input", "status", "namespace"}
	case "custom_tool_call_output":
		return []string{"type", "id", "call_id", "output", "status", "name"}
	}
	return nil
}

// otherItems are the kinds whose fields are not checked: they are the official
// CLI's, or replays of what the backend itself sent.
var otherItems = []string{
	"additional_tools", "agent_message", "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "compaction",
	"compaction_summary", "compaction_trigger", "computer_call", "computer_call_output", "context_compaction", "file_search_call",
	"image_generation_call", "local_shell_call", "local_shell_call_output", "mcp_approval_request", "mcp_approval_response",
	"mcp_call", "mcp_list_tools", "shell_call", "shell_call_output", "tool_search_call", "tool_search_output", "web_search_call",
}

// itemType is "message" for what has a role and no type.
func itemType(item map[string]any) string {
	kind, _ := item["type"].(string)
	if _, given := item["type"]; !given && item["role"] != nil {
		return "message"
	}
	return kind
}

func (p *prompt) checkInput() *BodyError {
	list, _ := p.fields["input"].([]any)
	p.input = make([]map[string]any, 0, len(list))
	for i, v := range list {
		path := fmt.Sprintf("input[%d]", i)
		item, ok := v.(map[string]any)
		if !ok {
			return wrongType(path, "an object", v)
		}
		if refused := p.checkItem(item, path); refused != nil {
			return refused
		}
		p.input = append(p.input, item)
	}
	if n := len(p.input); n > 0 && itemType(p.input[n-1]) == "reasoning" {
		id, _ := p.input[n-1]["id"].(string)
		return refuseBody("input", "", "Item '%.64s' of type 'reasoning' was provided without its required following item.", id)
	}
	return nil
}

func (p *prompt) checkItem(item map[string]any, path string) *BodyError {
	kind := itemType(item)
	if kind == "" {
		return missing(path + ".type")
	}
	if kind == "item_reference" {
		return notKept(item["id"])
	}
	known := itemKeys(kind)
	if known == nil {
		if refused := oneOf(kind, path+".type", otherItems); refused != nil {
			return refused
		}
	} else if refused := onlyKeys(item, path, known...); refused != nil {
		return refused
	}
	if id, given := item["id"]; given {
		if refused := checkID(id, idPrefix(kind), path+".id"); refused != nil {
			return refused
		}
	}
	switch kind {
	case "message":
		return p.checkMessage(item, path)
	case "reasoning":
		return checkReasoningItem(item, path)
	case "function_call":
		return checkCall(item, path, "arguments")
	case "custom_tool_call":
		return checkCall(item, path, "input")
	case "function_call_output", "custom_tool_call_output":
		return p.checkOutput(item, path)
	}
	return nil
}

// notKept is for what would have to be looked up: nothing is stored.
func notKept(id any) *BodyError {
	text, _ := id.(string)
	return &BodyError{Status: http.StatusNotFound, Param: "input", Message: fmt.Sprintf("Item with id '%.64s' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.", text)}
}

func (p *prompt) checkMessage(item map[string]any, path string) *BodyError {
	role, _ := item["role"].(string)
	if role == "system" {
		return refuseDetail(path+".role", "System messages are not allowed")
	}
	if _, given := item["role"]; !given {
		return missing(path + ".role")
	}
	if refused := oneOf(item["role"], path+".role", []string{"assistant", "system", "developer", "user"}); refused != nil {
		return refused
	}
	content, given := item["content"]
	if !given {
		return missing(path + ".content")
	}
	if _, text := content.(string); text {
		return nil
	}
	if role == "assistant" {
		return p.checkParts(content, path+".content", "output_text", "refusal")
	}
	return p.checkParts(content, path+".content", "input_text", "input_image", "input_file")
}

// partKeys are the fields of a part of a message.
func partKeys(kind string) []string {
	switch kind {
	case "output_text":
		return []string{"type", "text", "annotations", "logprobs"}
	case "refusal":
		return []string{"type", "refusal"}
	case "input_image":
		return []string{"type", "image_url", "file_id", "detail"}
	case "input_file":
		return []string{"type", "file_data", "file_id", "file_url", "filename", "detail"}
	}
	return []string{"type", "text"} // input_text, summary_text, reasoning_text
}

func (p *prompt) checkParts(v any, path string, kinds ...string) *BodyError {
	parts, ok := v.([]any)
	if !ok {
		return wrongType(path, "one of an array of objects or string", v)
	}
	for i, v := range parts {
		at := fmt.Sprintf("%s[%d]", path, i)
		part, ok := v.(map[string]any)
		if !ok {
			return wrongType(at, "an object", v)
		}
		if _, given := part["type"]; !given {
			return missing(at + ".type")
		}
		if refused := oneOf(part["type"], at+".type", kinds); refused != nil {
			return refused
		}
		if refused := checkPart(part, at); refused != nil {
			return refused
		}
		if part["type"] == "input_image" && !p.takes("image") {
			return refuseBody("input", "", "Model '%s' does not support image inputs.", p.model.Slug)
		}
	}
	return nil
}

// checkPart wants the fields of a part that was found to be of a known kind.
func checkPart(part map[string]any, path string) *BodyError {
	kind := part["type"].(string)
	if refused := onlyKeys(part, path, partKeys(kind)...); refused != nil {
		return refused
	}
	key := "text"
	switch kind {
	case "refusal":
		key = "refusal"
	case "input_file":
		return nil
	case "input_image":
		if url, given := part["image_url"]; given && url != nil {
			if _, ok := url.(string); !ok {
				return wrongType(path+".image_url", "an image URL", url)
			}
		} else if part["file_id"] == nil {
			return missing(path + ".image_url")
		}
		if detail := part["detail"]; detail != nil {
			return oneOf(detail, path+".detail", []string{"low", "high", "auto", "original"})
		}
		return nil
	}
	if _, given := part[key]; !given {
		return missing(path + "." + key)
	}
	if _, ok := part[key].(string); !ok {
		return wrongType(path+"."+key, "a string", part[key])
	}
	return nil
}

func (p *prompt) takes(modality string) bool {
	for _, m := range p.model.Modalities {
		if m == modality {
			return true
		}
	}
	return false
}

func checkReasoningItem(item map[string]any, path string) *BodyError {
	summary, given := item["summary"]
	if !given {
		return missing(path + ".summary")
	}
	p := &prompt{}
	if _, list := summary.([]any); !list {
		return wrongType(path+".summary", "an array of objects", summary)
	}
	if refused := p.checkParts(summary, path+".summary", "summary_text"); refused != nil {
		return refused
	}
	if content, given := item["content"]; given {
		if _, list := content.([]any); !list {
			return wrongType(path+".content", "an array of objects", content)
		}
		if refused := p.checkParts(content, path+".content", "reasoning_text"); refused != nil {
			return refused
		}
	}
	sealed, given := item["encrypted_content"]
	if text, ok := sealed.(string); given && sealed != nil && (!ok || text == "") {
		return wrongType(path+".encrypted_content", "a string", sealed)
	}
	if id := item["id"]; sealed == nil && id != nil {
		return notKept(id)
	}
	return nil
}

func checkCall(item map[string]any, path, said string) *BodyError {
	name, given := item["name"]
	if refused := checkName(name, given, path+".name"); refused != nil {
		return refused
	}
	if _, given := item[said]; !given {
		return missing(path + "." + said)
	}
	if _, ok := item[said].(string); !ok {
		return wrongType(path+"."+said, "a string", item[said])
	}
	return checkCallID(item, path)
}

func checkCallID(item map[string]any, path string) *BodyError {
	v, given := item["call_id"]
	if !given {
		return missing(path + ".call_id")
	}
	id, ok := v.(string)
	if !ok {
		return wrongType(path+".call_id", "a string", v)
	}
	return checkLength(id, path+".call_id")
}

func (p *prompt) checkOutput(item map[string]any, path string) *BodyError {
	if refused := checkCallID(item, path); refused != nil {
		return refused
	}
	output, given := item["output"]
	if !given {
		return missing(path + ".output")
	}
	if _, text := output.(string); text {
		return nil
	}
	return p.checkParts(output, path+".output", "input_text", "input_image", "input_file")
}

// checkPairs wants an output for each call, and before each output its call. A
// WebSocket may go on from a previous response that has the call.
func (p *prompt) checkPairs(goesOn bool) *BodyError {
	open := map[string]string{}  // calls without output, by id: their kind in words
	calls := map[string]string{} // every call so far: what its output is called
	for _, item := range p.input {
		id, _ := item["call_id"].(string)
		switch kind := itemType(item); kind {
		case "function_call":
			calls[id], open[id] = "function_call_output", "function call"
		case "custom_tool_call":
			calls[id], open[id] = "custom_tool_call_output", "custom tool call"
		case "local_shell_call", "tool_search_call", "shell_call", "apply_patch_call", "computer_call":
			calls[id] = "function_call_output"
		case "function_call_output", "custom_tool_call_output":
			if calls[id] != kind && !goesOn {
				return refuseBody("input", "", "No tool call found for %s with call_id %.64s.", strings.ReplaceAll(kind, "_", " "), id)
			}
			delete(open, id)
		}
	}
	for _, item := range p.input { // in the order of the calls
		id, _ := item["call_id"].(string)
		if words, left := open[id]; left {
			return refuseBody("input", "", "No tool output found for %s %.64s.", words, id)
		}
	}
	return nil
}
