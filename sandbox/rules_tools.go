package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// hostedTools are the kinds of tools, other than functions and custom ones, that the
// backend takes.
var hostedTools = []string{
	"web_search", "image_generation", "tool_search", "local_shell", "shell", "apply_patch", "code_interpreter", "file_search", "mcp", "namespace", "computer_use_preview",
}

func (p *prompt) checkTools() *BodyError {
	v, given := p.fields["tools"]
	if !given {
		return nil
	}
	tools, ok := v.([]any)
	if !ok {
		return wrongType("tools", "an array of objects", v)
	}
	for i, t := range tools {
		path := fmt.Sprintf("tools[%d]", i)
		tool, ok := t.(map[string]any)
		if !ok {
			return wrongType(path, "an object", t)
		}
		if refused := checkTool(tool, path); refused != nil {
			return refused
		}
	}
	return nil
}

func checkTool(tool map[string]any, path string) *BodyError {
	kind, ok := tool["type"].(string)
	if !ok {
		return missing(path + ".type")
	}
	switch kind {
	case "function":
		return checkFunction(tool, path)
	case "custom":
		name, given := tool["name"]
		if refused := checkName(name, given, path+".name"); refused != nil {
			return refused
		}
		if refused := onlyKeys(tool, path, "type", "name", "description", "format", "defer_loading"); refused != nil {
			return refused
		}
		return checkGrammar(tool, path+".format")
	}
	if strings.HasPrefix(kind, "web_search_preview") {
		return refuseDetail(path+".type", "Unsupported tool type: %.40s", kind)
	}
	return oneOf(kind, path+".type", append([]string{"function", "custom"}, hostedTools...))
}

func checkFunction(tool map[string]any, path string) *BodyError {
	name, given := tool["name"]
	if refused := checkName(name, given, path+".name"); refused != nil {
		return refused
	}
	if refused := onlyKeys(tool, path, "type", "name", "description", "parameters", "strict", "defer_loading", "output_schema"); refused != nil {
		return refused
	}
	strict, isBool := tool["strict"].(bool)
	if s := tool["strict"]; s != nil && !isBool {
		return wrongType(path+".strict", "a boolean", s)
	}
	if tool["parameters"] == nil {
		return nil
	}
	schema, ok := tool["parameters"].(map[string]any)
	if !ok {
		return wrongType(path+".parameters", "an object", tool["parameters"])
	}
	wrong := ""
	if _, there := schema["properties"]; schema["type"] == "object" && !there {
		wrong = "In context=(), object schema missing properties."
	} else if strict {
		wrong = notStrict(schema, nil)
	}
	if wrong != "" {
		return refuseBody(path+".parameters", "invalid_function_parameters", "Invalid schema for function '%s': %s", name, wrong)
	}
	return nil
}

// deepest is how many steps a strict schema may lead down, of two a level; the
// service takes ten levels.
const deepest = 40

// notStrict says where a schema breaks what strict asks of every object: that it
// takes no other properties, and requires all that it has.
func notStrict(schema map[string]any, context []string) string {
	if len(context) > deepest {
		return "In context=(), the schema is nested too deeply."
	}
	properties, _ := schema["properties"].(map[string]any)
	names := slices.Sorted(maps.Keys(properties))
	if schema["type"] == "object" || properties != nil {
		if schema["additionalProperties"] != false {
			return "In context=" + tuple(context) + ", 'additionalProperties' is required to be supplied and to be false."
		}
		required, _ := schema["required"].([]any)
		for _, name := range names {
			if !slices.Contains(required, any(name)) {
				return fmt.Sprintf("In context=%s, 'required' is required to be supplied and to be an array including every key in properties. Missing '%.64s'.", tuple(context), name)
			}
		}
	}
	below := func(v any, step ...string) string {
		if inner, ok := v.(map[string]any); ok {
			return notStrict(inner, slices.Concat(context, step))
		}
		return ""
	}
	for _, name := range names {
		if wrong := below(properties[name], "properties", name); wrong != "" {
			return wrong
		}
	}
	if wrong := below(schema["items"], "items"); wrong != "" {
		return wrong
	}
	choices, _ := schema["anyOf"].([]any)
	for i, v := range choices {
		if wrong := below(v, "anyOf", fmt.Sprint(i)); wrong != "" {
			return wrong
		}
	}
	return ""
}

func tuple(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + w + "'"
	}
	if len(quoted) == 1 {
		return "(" + quoted[0] + ",)"
	}
	return "(" + strings.Join(quoted, ", ") + ")"
}

// checkGrammar is for the format of a custom tool.
func checkGrammar(tool map[string]any, path string) *BodyError {
	v, given := tool["format"]
	if !given || v == nil {
		return nil
	}
	format, ok := v.(map[string]any)
	if !ok {
		return wrongType(path, "an object", v)
	}
	if refused := oneOf(format["type"], path+".type", []string{"text", "grammar"}); refused != nil {
		return refused
	}
	if format["type"] == "text" {
		return onlyKeys(format, path, "type")
	}
	for _, key := range []string{"syntax", "definition"} {
		if _, ok := format[key].(string); !ok {
			return missing(path + "." + key)
		}
	}
	return onlyKeys(format, path, "type", "syntax", "definition")
}

// tools are those of the field and those that items bring along.
func (p *prompt) tools() []map[string]any {
	var all []map[string]any
	add := func(v any) {
		list, _ := v.([]any)
		for _, t := range list {
			if tool, ok := t.(map[string]any); ok {
				all = append(all, tool)
			}
		}
	}
	add(p.fields["tools"])
	items, _ := p.fields["input"].([]any)
	for _, i := range items {
		if item, _ := i.(map[string]any); item["type"] == "additional_tools" {
			add(item["tools"])
		}
	}
	return all
}

// checkToolChoice wants tools beside what is about tools. The official CLI sends
// an empty list with "auto" where it has none.
func (p *prompt) checkToolChoice() *BodyError {
	_, listed := p.fields["tools"]
	tools := p.tools()
	bare := !listed && len(tools) == 0
	if v, given := p.fields["parallel_tool_calls"]; given {
		parallel, ok := v.(bool)
		if !ok {
			return wrongType("parallel_tool_calls", "a boolean", v)
		}
		if bare || parallel && len(tools) == 0 {
			return refuseBody("parallel_tool_calls", "", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
		}
	}
	choice, given := p.fields["tool_choice"]
	if !given {
		return nil
	}
	if word, ok := choice.(string); ok {
		if refused := oneOf(word, "tool_choice", []string{"none", "auto", "required"}); refused != nil {
			return refused
		}
		if bare || word == "required" && len(tools) == 0 {
			return refuseBody("tool_choice", "", "Tool choice '%s' must be specified with 'tools' parameter.", word)
		}
		return nil
	}
	object, ok := choice.(map[string]any)
	if !ok {
		return wrongType("tool_choice", "a string or an object", choice)
	}
	return checkChosen(object, tools, "tool_choice")
}

// checkChosen wants a choice to be one of the tools. Hosted tools never are:
// the backend does not find them.
func checkChosen(choice map[string]any, tools []map[string]any, path string) *BodyError {
	kind, _ := choice["type"].(string)
	switch kind {
	case "":
		return missing(path + ".type")
	case "allowed_tools":
		if refused := oneOf(choice["mode"], path+".mode", []string{"auto", "required"}); refused != nil {
			return refused
		}
		list, ok := choice["tools"].([]any)
		if !ok {
			return missing(path + ".tools")
		}
		for i, v := range list {
			allowed, _ := v.(map[string]any)
			if hosted := slices.Contains(hostedTools, fmt.Sprint(allowed["type"])); hosted && hasTool(tools, allowed, "type") {
				continue
			}
			if refused := checkChosen(allowed, tools, fmt.Sprintf("%s.tools[%d]", path, i)); refused != nil {
				return refused
			}
		}
		return onlyKeys(choice, path, "type", "mode", "tools")
	case "function", "custom":
		name, given := choice["name"]
		if !given {
			return missing(path + ".name")
		}
		if !hasTool(tools, choice, "type", "name") {
			return refuseBody(path, "", "Tool choice '%.80v' not found in 'tools' parameter.", name)
		}
		return onlyKeys(choice, path, "type", "name")
	}
	return refuseBody(path, "", "Tool choice '%.40s' not found in 'tools' parameter.", kind)
}

func hasTool(tools []map[string]any, like map[string]any, keys ...string) bool {
	return slices.ContainsFunc(tools, func(t map[string]any) bool {
		return !slices.ContainsFunc(keys, func(key string) bool {
			want, isText := like[key].(string)
			return !isText || t[key] != want
		})
	})
}
