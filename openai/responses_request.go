package openai

import (
	"encoding/json"
	"slices"
)

// ParseResponses reads the body of POST /v1/responses. Its errors are of type *Error.
func ParseResponses(body []byte, c Context) (*Request, error) {
	return parseResponses(Responses, body, c)
}

// ParseCompact reads the body of POST /v1/responses/compact. Its errors are of type *Error.
func ParseCompact(body []byte, c Context) (*Request, error) {
	return parseResponses(Compact, body, c)
}

func parseResponses(api API, body []byte, c Context) (*Request, error) {
	top, err := readBody(body)
	if err != nil {
		return nil, err
	}
	d := newDraft(api, len(body), c)
	f, err := d.sift(top, responsesRules[:])
	if err != nil {
		return nil, err
	}
	if api == Compact {
		f = slices.DeleteFunc(f, func(e entry) bool { return slices.Contains(compactLeaves[:], e.key) })
	}
	if err := d.common(f); err != nil {
		return nil, err
	}
	if api == Responses {
		store := top.get("store")
		d.req.stored = store == nil || store[0] != 'f'
		if err := d.readDelivery(f.get("stream_options")); err != nil {
			return nil, err
		}
	}
	d.autoSummary = f.get("reasoning") == nil
	if err := d.responsesOnly(f); err != nil {
		return nil, err
	}
	if err := d.readTools(f.get("tools"), &path{key: "tools"}); err != nil {
		return nil, err
	}
	if err := d.readToolChoice(f.get("tool_choice"), &path{key: "tool_choice"}); err != nil {
		return nil, err
	}
	return d.finish()
}

// responsesOnly reads the fields that only Responses has. On chat's route a client may
// send them, too, if it sends an input.
func (d *draft) responsesOnly(f object) error {
	if d.instructions = f.get("instructions"); d.instructions != nil && !isText(d.instructions) {
		return wrongKind(&path{key: "instructions"}, "a string", d.instructions)
	}
	if d.metadata = f.get("client_metadata"); d.metadata != nil && d.metadata[0] != '{' {
		return wrongKind(&path{key: "client_metadata"}, "an object", d.metadata)
	}
	if err := d.readReasoning(f.get("reasoning")); err != nil {
		return err
	}
	if err := d.readTextField(f.get("text")); err != nil {
		return err
	}
	if err := d.readInclude(f.get("include")); err != nil {
		return err
	}
	if err := d.readPrevious(f.get("previous_response_id")); err != nil {
		return err
	}
	return d.readInput(f.get("input"))
}

func (d *draft) readInput(raw json.RawMessage) error {
	at := &path{key: "input"}
	if isText(raw) {
		from := len(d.buf)
		if err := d.message("user", raw, at); err != nil {
			return err
		}
		d.end(item{from: from, user: true})
		return nil
	}
	if !isList(raw) {
		return wrongKind(at, "a string or an array of items", raw)
	}
	return readList(raw, at, func(i int, raw json.RawMessage) error { return d.readItem(raw, at.at(i)) })
}

// readPrevious puts the conversation in front that the client goes on with.
func (d *draft) readPrevious(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "previous_response_id"}
	id, err := d.word(raw, at)
	if err != nil {
		return err
	}
	items, ok := d.c.Recall.response(id)
	if !ok {
		return refuse(at.String(), "previous_response_not_found", "Previous response with id '%s' not found: the backend stores nothing, and it is not, or no longer, remembered here. Send the whole conversation as 'input'.", nameOf(id))
	}
	for i, raw := range items {
		if err := d.readItem(raw, at.at(i)); err != nil {
			return err
		}
	}
	d.own = len(d.items)
	d.req.previous = id
	return nil
}

func (d *draft) readTextField(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "text"}
	f, err := readObject(raw, at)
	if err != nil {
		return err
	}
	d.leaveIn("text", f, "format", "verbosity")
	if err := d.readVerbosity(f.get("verbosity"), at.of("verbosity")); err != nil {
		return err
	}
	return d.readFormat(f.get("format"), at.of("format"))
}

// includable is what the backend knows to add to an answer.
var includable = [...]string{
	"reasoning.encrypted_content", "message.input_image.image_url", "message.output_text.logprobs", "file_search_call.results", "web_search_call.results",
	"web_search_call.action.sources", "code_interpreter_call.outputs", "computer_call_output.output.image_url",
}

func (d *draft) readInclude(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	at := &path{key: "include"}
	return readList(raw, at, func(i int, raw json.RawMessage) error {
		what, err := readText(raw, at.at(i))
		if err != nil {
			return err
		}
		if !slices.Contains(includable[:], what) {
			return badValue(at.at(i), "The backend can't add that to an answer.")
		}
		d.include = append(d.include, quote(what))
		return nil
	})
}

func (d *draft) readDelivery(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	f, err := readObject(raw, &path{key: "stream_options"})
	if err != nil {
		return err
	}
	d.delivery = f.get("reasoning_summary_delivery")
	d.leaveIn("stream_options", f, "reasoning_summary_delivery", "include_obfuscation")
	return nil
}
