package openai

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
)

// output returns the answer's items in their order: each as it was done, or else as
// far as it came.
func (a *reply) output() []json.RawMessage {
	items := slices.Clone(a.items)
	place := func(it *replyItem) int {
		if it.output < 0 {
			return math.MaxInt
		}
		return it.output
	}
	slices.SortStableFunc(items, func(x, y *replyItem) int { return cmp.Compare(place(x), place(y)) })
	output := []json.RawMessage{}
	for _, it := range items {
		if raw := a.itemOf(it); raw != nil {
			output = append(output, raw)
		}
	}
	return output
}

// itemOf returns an item; nil if too little is known of it to name it.
func (a *reply) itemOf(it *replyItem) json.RawMessage {
	if it.whole != nil {
		return it.whole
	}
	status := "completed"
	if a.end == sortIncomplete {
		status = "incomplete"
	}
	return it.rebuild(status)
}

// rebuild makes an item of the pieces that came of it.
func (it *replyItem) rebuild(status string) json.RawMessage {
	if it.typ == "" || it.isCall() && it.name == "" {
		return nil
	}
	m := map[string]json.RawMessage{}
	json.Unmarshal(it.first, &m)
	m["type"], m["id"] = quote(it.typ), quote(it.id)
	switch it.typ {
	case message:
		m["role"], m["status"] = quote("assistant"), quote(status)
		m["content"] = it.listOf(partText, partRefusal)
	case reasoning:
		m["summary"] = it.listOf(partSummary, noPart)
		if full := it.listOf(partReasoning, noPart); isFilled(full) {
			m["content"] = full
		}
	case functionCall:
		m["name"], m["call_id"], m["status"] = quote(it.name), quote(it.callID), quote(status)
		m["arguments"] = it.inputSoFar()
	case customCall:
		m["name"], m["call_id"] = quote(it.name), quote(it.callID)
		m["input"] = it.inputSoFar()
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil
	}
	return raw
}

func (it *replyItem) inputSoFar() json.RawMessage {
	for _, p := range it.parts {
		if p.kind == partInput {
			return quoted(p.text)
		}
	}
	return quoted(nil)
}

// listOf returns the parts of one or two kinds in their order.
func (it *replyItem) listOf(one, other partKind) json.RawMessage {
	list := []json.RawMessage{}
	parts := slices.Clone(it.parts)
	slices.SortStableFunc(parts, func(x, y *part) int { return cmp.Compare(x.index, y.index) })
	for _, p := range parts {
		if p.kind == one || p.kind == other && other != noPart {
			list = append(list, p.frame(p.text))
		}
	}
	raw, _ := json.Marshal(list)
	return raw
}

// frame is the part with a text in it.
func (p *part) frame(text []byte) []byte {
	switch p.kind {
	case partRefusal:
		return slices.Concat([]byte(`{"type":"refusal","refusal":"`), text, []byte(`"}`))
	case partSummary:
		return slices.Concat([]byte(`{"type":"summary_text","text":"`), text, []byte(`"}`))
	case partReasoning:
		return slices.Concat([]byte(`{"type":"reasoning_text","text":"`), text, []byte(`"}`))
	}
	return slices.Concat([]byte(`{"type":"output_text","annotations":[],"text":"`), text, []byte(`"}`))
}

// replay reports items as of an answer that brings them whole.
func replay(output []json.RawMessage, emit func(event)) *reply {
	a := &reply{emit: emit}
	for i, raw := range output {
		h := headOf(raw)
		a.wholeItem(a.newItem(i, h.ID, h.Type), h, raw)
	}
	return a
}
