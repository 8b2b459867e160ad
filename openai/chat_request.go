package openai

import (
	"encoding/json"
)

// ParseChat reads the body of POST /v1/chat/completions. A body that has input in
// place of messages is read as one of Responses, and still answered as chat.
// Its errors are of type *Error.
func ParseChat(body []byte, c Context) (*Request, error) {
	top, err := readBody(body)
	if err != nil {
		return nil, err
	}
	d := newDraft(ChatCompletions, len(body), c)
	tables := [][]rule{chatRules[:]}
	asInput := top.get("messages") == nil && top.get("input") != nil
	if asInput {
		tables = append(tables, responsesRules[:])
	} else {
		d.list = "messages"
	}
	f, err := d.sift(top, tables...)
	if err != nil {
		return nil, err
	}
	if err := d.common(f); err != nil {
		return nil, err
	}
	d.autoSummary = true
	if err := d.chatOnly(f); err != nil {
		return nil, err
	}
	if asInput {
		err = d.responsesOnly(f)
	} else {
		err = d.readMessages(f.get("messages"))
	}
	if err != nil {
		return nil, err
	}
	if err := d.chatTools(f); err != nil {
		return nil, err
	}
	return d.finish()
}

// chatOnly reads what Responses has not.
func (d *draft) chatOnly(f object) error {
	if err := d.readStreamOptions(f.get("stream_options")); err != nil {
		return err
	}
	if err := d.readThinking(f); err != nil {
		return err
	}
	if err := d.readReasoning(f.get("reasoning")); err != nil {
		return err
	}
	if effort := f.get("reasoning_effort"); effort != nil {
		var err error
		if d.effort, err = d.word(effort, &path{key: "reasoning_effort"}); err != nil {
			return err
		}
		d.effortName = "reasoning_effort"
	}
	if err := d.readVerbosity(f.get("verbosity"), &path{key: "verbosity"}); err != nil {
		return err
	}
	if err := d.readStop(f.get("stop")); err != nil {
		return err
	}
	return d.readFormat(f.get("response_format"), &path{key: "response_format"})
}

func (d *draft) readStreamOptions(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "stream_options"}
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	d.leaveIn("stream_options", f, "include_usage", "include_obfuscation")
	d.req.IncludeUsage, err = readBool(f.get("include_usage"), at.of("include_usage"))
	return err
}

// readThinking reads other vendors' switches: off is the lowest effort there is.
func (d *draft) readThinking(f object) error {
	if raw := f.get("enable_thinking"); raw != nil {
		on, err := readBool(raw, &path{key: "enable_thinking"})
		if err != nil {
			return err
		}
		if !on {
			d.effort, d.effortName = "none", "enable_thinking"
		}
	}
	raw := f.get("thinking")
	if raw == nil {
		return nil
	}
	if raw[0] == 't' || raw[0] == 'f' {
		raw = json.RawMessage(map[bool]string{true: `{"type":"enabled"}`, false: `{"type":"disabled"}`}[raw[0] == 't'])
	}
	thinking, err := readObject(raw, &path{key: "thinking"})
	if err != nil {
		return err
	}
	d.leaveIn("thinking", thinking, "type")
	if kind, _ := readText(thinking.get("type"), nil); kind == "disabled" {
		d.effort, d.effortName = "none", "thinking"
	}
	return nil
}

// maxStops is more than OpenAI takes, and less than would cost anything.
const maxStops = 16

func (d *draft) readStop(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "stop"}
	add := func(raw json.RawMessage, at *path) error {
		text, err := readText(raw, at)
		if err == nil && text != "" {
			d.req.Stop = append(d.req.Stop, text)
		}
		return err
	}
	if isText(raw) {
		return add(raw, at)
	}
	return readList(raw, at, func(i int, raw json.RawMessage) error {
		if i == maxStops {
			return badValue(at, "At most 16 are possible.")
		}
		return add(raw, at.at(i))
	})
}
