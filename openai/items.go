package openai

import (
	"bytes"
	"encoding/json"
	"slices"
)

// put appends to the items as they are written.
func (d *draft) put(parts ...string) {
	for _, p := range parts {
		d.buf = append(d.buf, p...)
	}
}

// begin and end frame one item.
func (d *draft) begin(kind string) int {
	from := len(d.buf)
	d.put(`{"type":"`, kind, `"`)
	return from
}

func (d *draft) end(it item) {
	d.put("}")
	it.to = len(d.buf)
	d.items = append(d.items, it)
}

// member appends a member whose value passes as it is.
func (d *draft) member(key string, raw json.RawMessage) {
	d.put(`,"`, key, `":`)
	d.buf = append(d.buf, raw...)
}

// keep passes the members of an item that are named, and names what is left out.
// What has been read already, and ids, go without a word.
func (d *draft) keep(f object, passed []string, read ...string) {
	for _, e := range f {
		switch {
		case slices.Contains(passed, e.key):
			d.member(e.key, e.raw)
		case e.key != "type" && e.key != "id" && !slices.Contains(read, e.key):
			d.drop(d.list + "." + e.key)
		}
	}
}

// readItem reads one of the input of a Responses body, or what was recalled.
func (d *draft) readItem(raw json.RawMessage, at *path) error {
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	kind := "message"
	if t := f.get("type"); t != nil {
		if kind, err = d.word(t, at.of("type")); err != nil {
			return err
		}
	} else if f.get("role") == nil {
		return missingField(at.of("type"))
	}
	switch kind {
	case "message":
		return d.readMessage(f, at)
	case "reasoning":
		return d.readReasoningItem(f, at)
	case "function_call":
		return d.call(kind, "arguments", f, at)
	case "custom_tool_call":
		return d.call(kind, "input", f, at)
	case "function_call_output", "custom_tool_call_output":
		return d.readOutput(kind, f, at)
	case "item_reference":
		return d.readReference(f, at)
	}
	return d.other(f, raw, at)
}

func (d *draft) readMessage(f object, at *path) error {
	role, err := d.readRole(f.get("role"), at.of("role"))
	if err != nil {
		return err
	}
	from := len(d.buf)
	if err := d.message(role, f.get("content"), at.of("content")); err != nil || len(d.buf) == from {
		return err
	}
	d.keep(f, []string{"status", "phase"}, "role", "content")
	d.end(item{from: from, made: role == "assistant", user: role == "user"})
	return nil
}

// readRole returns the backend's word for the role of a message.
func (d *draft) readRole(raw json.RawMessage, at *path) (string, error) {
	role, err := d.word(raw, at)
	switch role {
	case "user", "assistant", "developer":
		return role, err
	case "system":
		return "developer", err
	}
	if err != nil {
		return "", err
	}
	return "", refuse(at.String(), "invalid_value", "Invalid value: '%s'. Supported values are 'assistant', 'developer', 'system' and 'user'.", nameOf(role))
}

// message writes the beginning of a message, with its content; nothing at all for
// an answer that says nothing. The caller adds what else there is, and ends it.
func (d *draft) message(role string, content json.RawMessage, at *path) error {
	from := d.begin("message")
	d.put(`,"role":"`, role, `","content":`)
	body := len(d.buf)
	if err := d.content(role, content, at); err != nil {
		return err
	}
	if said := d.buf[body:]; string(said) == "[]" || string(said) == `[{"type":"output_text","text":""}]` {
		if role != "assistant" {
			return refuse(at.String(), "invalid_value", "Invalid '%s': it is empty.", at)
		}
		d.buf = d.buf[:from]
	}
	return nil
}

func (d *draft) content(role string, content json.RawMessage, at *path) error {
	switch {
	case content == nil && role == "assistant":
		d.put("[]")
		return nil
	case content == nil:
		return missingField(at)
	case isText(content):
		d.put(`[{"type":"`, textIn(role), `","text":`)
		d.buf = append(d.buf, content...)
		d.put("}]")
		return nil
	case !isList(content):
		return wrongKind(at, "a string or an array of parts", content)
	}
	return d.parts(role, content, at)
}

// readReasoningItem keeps reasoning that the backend can read again.
func (d *draft) readReasoningItem(f object, at *path) error {
	sealed := f.get("encrypted_content")
	if sealed == nil || string(sealed) == `""` {
		d.drop(d.list + ".reasoning")
		return nil
	}
	if !isText(sealed) {
		return wrongKind(at.of("encrypted_content"), "a string", sealed)
	}
	from := d.begin("reasoning")
	d.put(`,"summary":`)
	if summary := f.get("summary"); summary == nil {
		d.put("[]")
	} else if err := d.summaries(summary, at.of("summary")); err != nil {
		return err
	}
	d.keep(f, []string{"encrypted_content"}, "summary", "content", "status")
	d.end(item{from: from, reasoning: true})
	return nil
}

func (d *draft) summaries(raw json.RawMessage, at *path) error {
	d.put("[")
	err := readList(raw, at, func(i int, raw json.RawMessage) error {
		f, err := readObject(raw, at.at(i))
		if err != nil {
			return err
		}
		text := f.get("text")
		if !isText(text) {
			return wrongKind(at.at(i).of("text"), "a string", text)
		}
		d.comma(i)
		d.put(`{"type":"summary_text","text":`)
		d.buf = append(d.buf, text...)
		d.put("}")
		return nil
	})
	d.put("]")
	return err
}

func (d *draft) comma(i int) {
	if i > 0 {
		d.put(",")
	}
}

// call writes a call of a function or of a custom tool, whose input stands in said.
func (d *draft) call(kind, said string, f object, at *path) error {
	id, err := d.callNamed(f.get("call_id"), at.of("call_id"))
	if err != nil {
		return err
	}
	name, err := d.toolNamed(f.get("name"), at.of("name"))
	if err != nil {
		return err
	}
	input := f.get(said)
	if !isText(input) {
		return wrongKind(at.of(said), "a string", input)
	}
	from := d.writeCall(kind, id, name, said, input, at.of("call_id"))
	d.keep(f, []string{"status", "namespace"}, "call_id", "name", said)
	d.end(item{from: from, made: true})
	return nil
}

// writeCall writes the beginning of a call, and notes that it wants a result.
func (d *draft) writeCall(kind, id, name, said string, input json.RawMessage, at *path) (from int) {
	if _, twice := d.open[id]; !twice {
		d.opened = append(d.opened, id)
	}
	d.calls[id], d.open[id] = kind, at.String()
	from = d.begin(kind)
	d.put(`,"call_id":"`, id, `","name":"`, name, `"`)
	d.member(said, input)
	return from
}

func (d *draft) readOutput(kind string, f object, at *path) error {
	id, err := d.callNamed(f.get("call_id"), at.of("call_id"))
	if err != nil {
		return err
	}
	output := f.get("output")
	if output == nil {
		return missingField(at.of("output"))
	}
	from, err := d.writeOutput(kind, id, output, at.of("call_id"), at.of("output"))
	if err != nil {
		return err
	}
	d.keep(f, []string{"status"}, "call_id", "output", "name")
	d.end(item{from: from})
	return nil
}

// writeOutput writes the beginning of a result, of the kind that its call has.
func (d *draft) writeOutput(kind, id string, output json.RawMessage, atID, at *path) (from int, err error) {
	switch of := d.calls[id]; {
	case of == "function_call" || of == "custom_tool_call":
		kind = of + "_output"
	case of == "" && !d.opaque && d.req.API != Compact:
		return 0, refuse(atID.String(), "invalid_value", "Invalid '%s': no call with the id '%s' comes before this result.", atID, nameOf(id))
	}
	delete(d.open, id)
	from = d.begin(kind)
	d.put(`,"call_id":"`, id, `","output":`)
	if isText(output) {
		d.buf = append(d.buf, output...)
		return from, nil
	}
	if !isList(output) {
		return 0, wrongKind(at, "a string or an array of parts", output)
	}
	return from, d.parts("tool", output, at)
}

// readReference puts what was answered in the place of its name.
func (d *draft) readReference(f object, at *path) error {
	id, err := d.word(f.get("id"), at.of("id"))
	if err != nil {
		return err
	}
	if raw, ok := d.c.Recall.item(id); ok {
		return d.readItem(raw, at)
	}
	if len(id) > 3 && id[:3] == "rs_" { // the answer is right without it
		d.drop(d.list + ".item_reference")
		return nil
	}
	return refuse(at.of("id").String(), "item_not_found", "Item with id '%s' not found: the backend stores nothing, and it is not, or no longer, remembered here. Send the item itself (in the AI SDK: store: false).", nameOf(id))
}

// other passes an item that only the backend understands. An id stays where the
// backend would take it.
func (d *draft) other(f object, raw json.RawMessage, at *path) error {
	d.opaque = true
	kind, _ := readText(f.get("type"), nil)
	if kind == "additional_tools" {
		d.added, d.unlisted = true, true
	}
	if id, err := readText(f.get("call_id"), nil); err == nil && id != "" {
		d.calls[fit(id)] = kind
	}
	from := len(d.buf)
	id, err := readText(f.get("id"), nil)
	if (f.get("id") == nil || err == nil && id != "" && fit(id) == id) && !bytes.Contains(raw, []byte(breakpoint)) {
		d.buf = append(d.buf, raw...)
		d.items = append(d.items, item{from: from, to: len(d.buf), made: kind != "additional_tools"})
		return nil
	}
	d.put(`{"type":`)
	d.buf = append(d.buf, f.get("type")...)
	for _, e := range f {
		switch {
		case e.key == "type", e.key == breakpoint, e.key == "id" && (err != nil || fit(id) != id || id == ""):
		default:
			d.put(",")
			d.buf = append(d.buf, quote(e.key)...)
			d.put(":")
			d.buf = append(d.buf, d.withoutBreakpoint(e.raw, e.key == "properties")...)
		}
	}
	d.end(item{from: from, made: kind != "additional_tools"})
	return nil
}
