package openai

import (
	"encoding/json"
)

// chatTools reads the tools of a chat, and what chat called them before.
func (d *draft) chatTools(f object) error {
	if err := d.readTools(f.get("tools"), &path{key: "tools"}); err != nil {
		return err
	}
	if err := d.readFunctions(f.get("functions")); err != nil {
		return err
	}
	if err := d.readWebSearch(f.get("web_search_options")); err != nil {
		return err
	}
	if choice := f.get("tool_choice"); choice != nil {
		return d.readToolChoice(choice, &path{key: "tool_choice"})
	}
	return d.readFunctionCall(f.get("function_call"))
}

// readFunctions reads the list that chat had before tools: one call at a time.
func (d *draft) readFunctions(raw json.RawMessage) error {
	if raw == nil || isHollow(raw) {
		return nil
	}
	d.req.Legacy = len(d.tools) == 0
	if d.req.Legacy {
		d.parallel = json.RawMessage("false")
	}
	d.allTools = nil
	at := &path{key: "functions"}
	return readList(raw, at, func(i int, raw json.RawMessage) error {
		tool, err := d.chatTool("function", raw, at.at(i))
		d.tools = append(d.tools, tool)
		return err
	})
}

func (d *draft) readFunctionCall(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "function_call"}
	if isText(raw) {
		return d.readToolChoice(raw, at)
	}
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	d.toolChoice, err = d.chosenName("function", f.get("name"), at.of("name"))
	return err
}

// readWebSearch makes a tool of the options.
func (d *draft) readWebSearch(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "web_search_options"}
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	d.leaveIn("web_search_options", f, "search_context_size", "user_location")
	tool := []byte(`{"type":"web_search"`)
	if size := f.get("search_context_size"); size != nil {
		tool = append(append(tool, `,"search_context_size":`...), size...)
	}
	if place := f.get("user_location"); place != nil {
		where, err := flatLocation(place, at.of("user_location"))
		if err != nil {
			return err
		}
		tool = append(append(tool, `,"user_location":`...), where...)
	}
	d.tools, d.allTools = append(d.tools, append(tool, '}')), nil
	d.kinds["web_search"] = true
	return nil
}

func flatLocation(raw json.RawMessage, at *path) ([]byte, error) {
	f, err := readObject(raw, at)
	if err != nil {
		return nil, err
	}
	if inner := f.get("approximate"); inner != nil {
		if f, err = readObject(inner, at.of("approximate")); err != nil {
			return nil, err
		}
	}
	return pairs("type", []byte(`"approximate"`), "city", f.get("city"), "country", f.get("country"), "region", f.get("region"), "timezone", f.get("timezone")), nil
}
