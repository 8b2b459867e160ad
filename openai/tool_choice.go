package openai

import (
	"encoding/json"
	"strings"
)

// readToolChoice reads a tool_choice of either API.
func (d *draft) readToolChoice(raw json.RawMessage, at *path) error {
	if raw == nil {
		return nil
	}
	if isText(raw) {
		word, err := readText(raw, at)
		if err == nil && word != "none" && word != "auto" && word != "required" {
			err = badValue(at, "Supported values are 'none', 'auto', 'required', or an object that names a tool.")
		}
		d.toolChoice, d.choiceWord = raw, word
		return err
	}
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	if kind, _ := readText(f.get("type"), nil); kind == "allowed_tools" {
		d.toolChoice, err = d.allowedTools(f, at)
	} else {
		d.toolChoice, err = d.chosen(f, at, false)
	}
	return err
}

// chosen writes the choice of one tool. The backend can be made to use a function
// or a custom tool, and none of its own.
func (d *draft) chosen(f object, at *path, oneOfSeveral bool) (json.RawMessage, error) {
	kind, err := d.word(f.get("type"), at.of("type"))
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(kind, "web_search_preview") {
		kind = "web_search"
	}
	if kind != "function" && kind != "custom" {
		if oneOfSeveral && d.kinds[kind] {
			return json.RawMessage(`{"type":"` + fit(kind) + `"}`), nil
		}
		return nil, badValue(at, "The backend can only be made to use a function or a custom tool listed in 'tools'.")
	}
	if inner := f.get(kind); inner != nil {
		at = at.of(kind)
		if f, err = readObject(inner, at); err != nil {
			return nil, err
		}
	}
	return d.chosenName(kind, f.get("name"), at.of("name"))
}

func (d *draft) chosenName(kind string, raw json.RawMessage, at *path) (json.RawMessage, error) {
	name, err := d.toolNamed(raw, at)
	if err != nil {
		return nil, err
	}
	if !d.named[name] && !d.unlisted {
		return nil, refuse(at.String(), "invalid_value", "Invalid '%s': there is no tool '%s' in this request.", at, nameOf(name))
	}
	return json.RawMessage(`{"type":"` + kind + `","name":"` + name + `"}`), nil
}

func (d *draft) allowedTools(f object, at *path) (json.RawMessage, error) {
	var err error
	if inner := f.get("allowed_tools"); inner != nil {
		at = at.of("allowed_tools")
		if f, err = readObject(inner, at); err != nil {
			return nil, err
		}
	}
	mode, err := readText(f.get("mode"), at.of("mode"))
	if err == nil && mode != "auto" && mode != "required" {
		err = badValue(at.of("mode"), "Supported values are 'auto' and 'required'.")
	}
	if err != nil {
		return nil, err
	}
	out := []byte(`{"type":"allowed_tools","mode":"` + mode + `","tools":[`)
	err = readList(f.get("tools"), at.of("tools"), func(i int, raw json.RawMessage) error {
		at := at.of("tools").at(i)
		f, err := readObject(raw, at)
		if err != nil {
			return err
		}
		one, err := d.chosen(f, at, true)
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, one...)
		return err
	})
	return append(out, "]}"...), err
}
