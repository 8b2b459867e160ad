package sandbox

import (
	"strings"
)

// effortsOnWire are the efforts that a request may name: the strongest one of the
// list is the client's own word, and goes as "max".
func (m Model) effortsOnWire() []string {
	var out []string
	hasMax := false
	for _, e := range m.Efforts {
		if e == "ultra" {
			continue
		}
		hasMax = hasMax || e == "max"
		out = append(out, e)
	}
	if !hasMax && len(out) < len(m.Efforts) {
		out = append(out, "max")
	}
	return out
}

func (p *prompt) checkReasoning() *BodyError {
	v := p.fields["reasoning"]
	if v == nil { // the official CLI sends null
		return nil
	}
	reasoning, ok := v.(map[string]any)
	if !ok {
		return wrongType("reasoning", "an object", v)
	}
	if refused := onlyKeys(reasoning, "reasoning", "effort", "summary", "context"); refused != nil {
		return refused
	}
	if effort := reasoning["effort"]; effort != nil {
		if refused := notWith(effort, "reasoning.effort", p.model, p.model.effortsOnWire()); refused != nil {
			return refused
		}
	}
	summary := reasoning["summary"]
	if summary == nil {
		return nil
	}
	if !p.model.Summary {
		return unsupportedWith("reasoning.summary", p.model)
	}
	return oneOf(summary, "reasoning.summary", []string{"auto", "concise", "detailed"})
}

func (p *prompt) checkText() *BodyError {
	v, given := p.fields["text"]
	if !given {
		return nil
	}
	text, ok := v.(map[string]any)
	if !ok {
		return wrongType("text", "an object", v)
	}
	if refused := onlyKeys(text, "text", "format", "verbosity"); refused != nil {
		return refused
	}
	if verbosity := text["verbosity"]; verbosity != nil {
		if refused := notWith(verbosity, "text.verbosity", p.model, p.model.Verbosity); refused != nil {
			return refused
		}
	}
	if text["format"] == nil {
		return nil
	}
	format, ok := text["format"].(map[string]any)
	if !ok {
		return wrongType("text.format", "an object", text["format"])
	}
	return checkFormat(format)
}

func checkFormat(format map[string]any) *BodyError {
	const path = "text.format"
	if _, ok := format["type"].(string); !ok {
		return missing(path + ".type")
	}
	if refused := oneOf(format["type"], path+".type", []string{"json_object", "json_schema", "text"}); refused != nil {
		return refused
	}
	if format["type"] != "json_schema" {
		return onlyKeys(format, path, "type")
	}
	name, given := format["name"]
	if refused := checkName(name, given, path+".name"); refused != nil {
		return refused
	}
	schema, ok := format["schema"].(map[string]any)
	if !ok {
		return missing(path + ".schema")
	}
	if format["strict"] == true {
		if wrong := notStrict(schema, nil); wrong != "" {
			return refuseBody(path+".schema", "invalid_json_schema", "Invalid schema for response_format '%s': %s", name, wrong)
		}
	}
	return onlyKeys(format, path, "type", "name", "schema", "strict", "description")
}

// format is text.format, nil if there is none.
func (p *prompt) format() map[string]any {
	text, _ := p.fields["text"].(map[string]any)
	format, _ := text["format"].(map[string]any)
	return format
}

// checkWordJSON wants the word in a message; instructions do not count.
func (p *prompt) checkWordJSON() *BodyError {
	if p.format()["type"] != "json_object" {
		return nil
	}
	for _, item := range p.input {
		if itemType(item) == "message" && strings.Contains(strings.ToLower(contentText(item["content"])), "json") {
			return nil
		}
	}
	return refuseBody("input", "", "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.")
}
