package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// readTools reads a list of tools. Chat's are put flat; those of Responses keep
// their bytes, each of them, and all of them if none had to be changed.
func (d *draft) readTools(raw json.RawMessage, at *path) error {
	if raw == nil {
		return nil
	}
	same := d.tools == nil
	err := readList(raw, at, func(i int, raw json.RawMessage) error {
		tool, err := d.readTool(raw, at.at(i))
		if err != nil {
			return err
		}
		same = same && len(tool) == len(raw) && &tool[0] == &raw[0]
		d.tools = append(d.tools, tool)
		return nil
	})
	if same {
		d.allTools = raw
	}
	return err
}

func (d *draft) readTool(raw json.RawMessage, at *path) (json.RawMessage, error) {
	f, err := readObject(raw, at)
	if err != nil {
		return nil, err
	}
	kind := ""
	if t := f.get("type"); t != nil {
		if kind, err = d.word(t, at.of("type")); err != nil {
			return nil, err
		}
	}
	switch inner := f.get(kind); {
	case kind == "" && f.get("function") != nil:
		kind, inner = "function", f.get("function")
		fallthrough
	case (kind == "function" || kind == "custom") && inner != nil:
		d.leaveIn("tools", f, "type", kind)
		return d.chatTool(kind, inner, at.of(kind))
	case kind == "":
		return nil, missingField(at.of("type"))
	case kind == "function" || kind == "custom":
		return d.flatTool(kind, f, raw, at)
	}
	return d.hostedTool(kind, f, raw)
}

// leaveIn names the members of an object that are left out.
func (d *draft) leaveIn(list string, f object, read ...string) {
	for _, e := range f {
		if !slices.Contains(read, e.key) {
			d.drop(list + "." + e.key)
		}
	}
}

// chatTool writes one of chat's tools, which lie one level deeper.
func (d *draft) chatTool(kind string, raw json.RawMessage, at *path) (json.RawMessage, error) {
	f, err := readObject(raw, at)
	if err != nil {
		return nil, err
	}
	name, err := d.nameTool(f, at)
	if err != nil {
		return nil, err
	}
	out := []byte(`{"type":"` + kind + `","name":"` + name + `"`)
	if text := f.get("description"); isText(text) {
		out = append(append(out, `,"description":`...), text...)
	} else if text != nil {
		return nil, wrongKind(at.of("description"), "a string", text)
	}
	if kind == "custom" {
		d.leaveIn("tools", f, "name", "description", "format")
		format, err := customFormat(f.get("format"), at.of("format"))
		if format != nil {
			out = append(append(out, `,"format":`...), format...)
		}
		return append(out, '}'), err
	}
	d.leaveIn("tools", f, "name", "description", "parameters", "strict")
	schema, err := withProperties(f.get("parameters"), at.of("parameters"))
	if err != nil {
		return nil, err
	}
	if schema == nil {
		schema = json.RawMessage(`{"type":"object","properties":{}}`)
	}
	out = append(append(out, `,"parameters":`...), d.withoutBreakpoint(schema, false)...)
	strict, err := readBool(f.get("strict"), at.of("strict"))
	if strict { // said or not: the backend's default is true, chat's is false
		return append(out, `,"strict":true}`...), err
	}
	return append(out, `,"strict":false}`...), err
}

func (d *draft) nameTool(f object, at *path) (string, error) {
	name, err := d.toolNamed(f.get("name"), at.of("name"))
	if err == nil {
		d.named[name] = true
	}
	return name, err
}

// customFormat puts the format of a custom tool flat.
func customFormat(raw json.RawMessage, at *path) (json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	f, err := readObject(raw, at)
	if err != nil {
		return nil, err
	}
	kind, err := readText(f.get("type"), at.of("type"))
	if err != nil || kind == "text" {
		return json.RawMessage(`{"type":"text"}`), err
	}
	if kind != "grammar" {
		return nil, badValue(at.of("type"), "Supported values are 'text' and 'grammar'.")
	}
	if inner := f.get("grammar"); inner != nil {
		at = at.of("grammar")
		if f, err = readObject(inner, at); err != nil {
			return nil, err
		}
	}
	out := []byte(`{"type":"grammar"`)
	for _, key := range []string{"syntax", "definition"} {
		text := f.get(key)
		if !isText(text) {
			return nil, wrongKind(at.of(key), "a string", text)
		}
		out = append(append(out, `,"`+key+`":`...), text...)
	}
	return append(out, '}'), nil
}

// withProperties adds to the schema of an object the properties that the backend
// wants there, and touches no other.
func withProperties(raw json.RawMessage, at *path) (json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	f, err := readObject(raw, at)
	if err != nil {
		return nil, err
	}
	kind, _ := readText(f.get("type"), nil)
	if f.get("properties") != nil || kind != "object" && len(f) > 0 {
		return raw, nil
	}
	out := []byte{'{'}
	if len(f) == 0 {
		out = append(out, `"type":"object",`...)
	}
	out = append(out, `"properties":{}`...)
	for _, e := range f {
		out = append(append(append(append(out, ','), quote(e.key)...), ':'), e.raw...)
	}
	return append(out, '}'), nil
}

// flatKeys are the members of the tools whose members are known.
var flatKeys = [...]string{"type", "name", "description", "parameters", "strict", "format", "defer_loading", "output_schema"}

// flatTool passes one of the tools of Responses. Only what the backend would refuse
// is changed.
func (d *draft) flatTool(kind string, f object, raw json.RawMessage, at *path) (json.RawMessage, error) {
	client := f.get("name")
	name, err := d.nameTool(f, at)
	if err != nil {
		return nil, err
	}
	if strict := f.get("strict"); strict != nil {
		if _, err := readBool(strict, at.of("strict")); err != nil {
			return nil, err
		}
	}
	format := f.get("format")
	if kind == "custom" {
		if format, err = customFormat(format, at.of("format")); err != nil {
			return nil, err
		}
	}
	schema, err := withProperties(f.get("parameters"), at.of("parameters"))
	if err != nil {
		return nil, err
	}
	grammar, _ := readObject(f.get("format"), nil)
	nested := grammar.get("grammar") != nil
	if allFlat(kind, raw) && !nested && string(client) == `"`+name+`"` && bytes.Equal(schema, f.get("parameters")) && !bytes.Contains(raw, []byte(breakpoint)) {
		return raw, nil
	}
	out := []byte(`{"type":"` + kind + `"`)
	for _, e := range f {
		value := e.raw
		switch {
		case e.key == "type":
			continue
		case !flatKey(kind, e.key):
			d.drop("tools." + e.key)
			continue
		case e.key == "name":
			value = json.RawMessage(`"` + name + `"`)
		case e.key == "parameters":
			value = schema
		case e.key == "format":
			value = format
		}
		out = append(append(out, `,"`+e.key+`":`...), d.withoutBreakpoint(value, false)...)
	}
	return append(out, '}'), nil
}

// allFlat reports whether the backend knows all members of a tool, null ones too.
func allFlat(kind string, raw []byte) bool {
	m := members{data: raw}
	for {
		name, _, ok := m.next()
		if !ok {
			return m.ended
		}
		if !flatKey(kind, string(name)) {
			return false
		}
	}
}

func flatKey(kind, key string) bool {
	if key == "format" {
		return kind == "custom"
	}
	if key == "parameters" || key == "strict" || key == "output_schema" {
		return kind == "function"
	}
	return slices.Contains(flatKeys[:], key)
}

// hostedTool passes a tool of the backend's own, under the name that it has there.
func (d *draft) hostedTool(kind string, f object, raw json.RawMessage) (json.RawMessage, error) {
	if kind == "namespace" || kind == "mcp" || kind == "tool_search" {
		d.unlisted = true
	}
	raw = d.withoutBreakpoint(raw, false)
	if !strings.HasPrefix(kind, "web_search_preview") {
		d.kinds[kind] = true
		return raw, nil
	}
	d.kinds["web_search"] = true
	out := []byte(`{"type":"web_search"`)
	for _, e := range f {
		if e.key != "type" && e.key != breakpoint {
			out = append(append(append(append(out, ','), quote(e.key)...), ':'), d.withoutBreakpoint(e.raw, false)...)
		}
	}
	return append(out, '}'), nil
}
