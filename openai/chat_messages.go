package openai

import (
	"encoding/json"
	"strconv"
)

// readMessages puts a chat's messages as items, in their order.
func (d *draft) readMessages(raw json.RawMessage) error {
	at := &path{key: "messages"}
	waiting := map[string][]string{} // calls of functions without a result: their ids, by name
	return readList(raw, at, func(i int, raw json.RawMessage) error {
		at := at.at(i)
		f, err := readObject(raw, at)
		if err != nil {
			return err
		}
		role, err := d.word(f.get("role"), at.of("role"))
		if err != nil {
			return err
		}
		switch role {
		case "assistant":
			return d.assistant(f, i, waiting, at)
		case "tool":
			return d.toolMessage(f, at)
		case "function":
			return d.functionMessage(f, waiting, at)
		case "system", "developer", "user":
			return d.plainMessage(role, f, at)
		}
		return refuse(at.of("role").String(), "invalid_value", "Invalid value: '%s'. Supported values are 'assistant', 'developer', 'function', 'system', 'tool' and 'user'.", nameOf(role))
	})
}

func (d *draft) plainMessage(role string, f object, at *path) error {
	user := role == "user"
	if role == "system" {
		role = "developer"
	}
	from := len(d.buf)
	if err := d.message(role, f.get("content"), at.of("content")); err != nil {
		return err
	}
	d.end(item{from: from, user: user})
	d.leaveIn("messages", f, "role", "content")
	return nil
}

// assistant puts what an answer said first, then its calls.
func (d *draft) assistant(f object, i int, waiting map[string][]string, at *path) error {
	if f.get("audio") != nil {
		return unsupported(at.of("audio"), "No model of the backend takes audio.")
	}
	if err := d.answerText(f, at); err != nil {
		return err
	}
	if calls := f.get("tool_calls"); calls != nil {
		at := at.of("tool_calls")
		err := readList(calls, at, func(i int, raw json.RawMessage) error { return d.toolCall(raw, at.at(i)) })
		if err != nil {
			return err
		}
	}
	if call := f.get("function_call"); call != nil {
		if err := d.functionCall(call, i, waiting, at.of("function_call")); err != nil {
			return err
		}
	}
	for _, e := range f {
		switch e.key {
		case "role", "content", "refusal", "tool_calls", "function_call":
		case "reasoning_content", "reasoning", "reasoning_details", "annotations": // an echo of the answer
		default:
			d.drop("messages." + e.key)
		}
	}
	return nil
}

// answerText writes the text of an answer and its refusal: one message, or none.
func (d *draft) answerText(f object, at *path) error {
	from := len(d.buf)
	if err := d.message("assistant", f.get("content"), at.of("content")); err != nil {
		return err
	}
	refusal := f.get("refusal")
	if refusal == nil || string(refusal) == `""` {
		if len(d.buf) > from {
			d.end(item{from: from, made: true})
		}
		return nil
	}
	if !isText(refusal) {
		return wrongKind(at.of("refusal"), "a string", refusal)
	}
	if len(d.buf) == from {
		d.begin("message")
		d.put(`,"role":"assistant","content":[`)
	} else {
		d.buf = d.buf[:len(d.buf)-1] // the end of the list
		d.put(",")
	}
	d.put(`{"type":"refusal","refusal":`)
	d.buf = append(d.buf, refusal...)
	d.put("}]")
	d.end(item{from: from, made: true})
	return nil
}

func (d *draft) toolCall(raw json.RawMessage, at *path) error {
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	kind, said := "function", "arguments"
	if custom := f.get("custom"); custom != nil {
		kind, said = "custom", "input"
	}
	id, err := d.callNamed(f.get("id"), at.of("id"))
	if err != nil {
		return err
	}
	inner, err := readObject(f.get(kind), at.of(kind))
	if err != nil {
		return err
	}
	name, err := d.toolNamed(inner.get("name"), at.of(kind).of("name"))
	if err != nil {
		return err
	}
	input := inner.get(said)
	if input == nil {
		input = json.RawMessage(`""`)
	}
	if !isText(input) {
		return wrongKind(at.of(kind).of(said), "a string", input)
	}
	sent := map[string]string{"function": "function_call", "custom": "custom_tool_call"}[kind]
	d.end(item{from: d.writeCall(sent, id, name, said, input, at.of("id")), made: true})
	d.leaveIn("messages.tool_calls", f, "id", "type", "index", kind)
	d.leaveIn("messages.tool_calls", inner, "name", said)
	return nil
}

// functionCall reads a call from before there were ids: it gets one of its own.
func (d *draft) functionCall(raw json.RawMessage, i int, waiting map[string][]string, at *path) error {
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	name, err := d.toolNamed(f.get("name"), at.of("name"))
	if err != nil {
		return err
	}
	input := f.get("arguments")
	if input == nil {
		input = json.RawMessage(`""`)
	}
	if !isText(input) {
		return wrongKind(at.of("arguments"), "a string", input)
	}
	id := "call_of_message_" + strconv.Itoa(i)
	waiting[name] = append(waiting[name], id)
	d.end(item{from: d.writeCall("function_call", id, name, "arguments", input, at), made: true})
	return nil
}

func (d *draft) toolMessage(f object, at *path) error {
	id, err := d.callNamed(f.get("tool_call_id"), at.of("tool_call_id"))
	if err != nil {
		return err
	}
	d.leaveIn("messages", f, "role", "content", "tool_call_id", "name")
	return d.result(id, f.get("content"), at.of("tool_call_id"), at.of("content"))
}

// functionMessage is the result of the nearest call of that name that has none.
func (d *draft) functionMessage(f object, waiting map[string][]string, at *path) error {
	name, err := d.toolNamed(f.get("name"), at.of("name"))
	if err != nil {
		return err
	}
	ids := waiting[name]
	if len(ids) == 0 {
		return refuse(at.of("name").String(), "invalid_value", "Invalid '%s': no call of the function '%s' without a result comes before it.", at.of("name"), nameOf(name))
	}
	waiting[name] = ids[:len(ids)-1]
	d.leaveIn("messages", f, "role", "content", "name")
	return d.result(ids[len(ids)-1], f.get("content"), at.of("name"), at.of("content"))
}

func (d *draft) result(id string, content json.RawMessage, atID, at *path) error {
	if content == nil || isHollow(content) {
		content = json.RawMessage(`""`)
	}
	from, err := d.writeOutput("function_call_output", id, loneText(content, at), atID, at)
	if err != nil {
		return err
	}
	d.end(item{from: from})
	return nil
}

// loneText returns the text of a content that is one part of text.
func loneText(content json.RawMessage, at *path) json.RawMessage {
	lone, n := content, 0
	if !isList(content) {
		return content
	}
	readList(content, at, func(_ int, raw json.RawMessage) error {
		n++
		if f, err := readObject(raw, at); err == nil && len(f) == 2 && isText(f.get("text")) && string(f.get("type")) == `"text"` {
			lone = f.get("text")
		}
		return nil
	})
	if n != 1 {
		return content
	}
	return lone
}
