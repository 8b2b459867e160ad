package openai

import "strconv"

// introduce sees to it that the client knows of an item and a part before it hears
// more of them. It returns false where the client is not to have the event: it has
// to wait for the item's name, or repeats what is said.
func (s *responsesStream) introduce(it *replyItem, p *part) bool {
	e := &s.event
	if it.shown && e.sort == sortItemAdded || it.over {
		return false
	}
	it.over = e.sort == sortItemDone
	if !it.shown {
		if e.sort != sortItemAdded {
			raw := it.beginning(e.item)
			if raw == nil {
				return false
			}
			s.putItem("response.output_item.added", it, raw)
		}
		it.shown = true
	}
	if p == nil || p.kind == partInput || p.kind == noPart {
		return true
	}
	if p.shown {
		return e.sort != sortPartAdded
	}
	p.shown = true
	if e.sort != sortPartAdded && e.sort != sortAnnotation {
		name, at := "response.content_part.added", `"content_index":`
		if p.kind == partSummary {
			name, at = "response.reasoning_summary_part.added", `"summary_index":`
		}
		s.put(name, `"item_id":`+string(quote(it.id))+`,"output_index":`+strconv.Itoa(max(it.output, 0))+`,`+at+strconv.Itoa(p.index)+`,"part":`, p.frame(nil))
	}
	return true
}

// beginning is an item as it would have been added; whole is the item itself where
// that is all that came. It is nil while too little is known.
func (it *replyItem) beginning(whole []byte) []byte {
	if len(whole) > 0 {
		raw := withMember(whole, "status", []byte(`"in_progress"`))
		switch it.typ {
		case message:
			return withMember(raw, "content", []byte("[]"))
		case reasoning:
			return withMember(withMember(whole, "summary", []byte("[]")), "encrypted_content", nil)
		case functionCall:
			return withMember(raw, "arguments", []byte(`""`))
		case customCall:
			return withMember(raw, "input", []byte(`""`))
		}
		return []byte(`{"id":` + string(quote(it.id)) + `,"type":` + string(quote(it.typ)) + `,"status":"in_progress"}`)
	}
	empty := &replyItem{typ: it.typ, id: it.id, callID: it.callID, name: it.name, first: it.first}
	return empty.rebuild("in_progress")
}

// catchUp brings what came of an item before it did.
func (s *responsesStream) catchUp(it *replyItem) {
	for _, p := range it.parts {
		if p.kind == partInput && len(p.text) > 0 && !it.done {
			name := "response.function_call_arguments.delta"
			if it.typ == customCall {
				name = "response.custom_tool_call_input.delta"
			}
			s.put(name, `"item_id":`+string(quote(it.id))+`,"output_index":`+strconv.Itoa(max(it.output, 0))+`,"delta":`, quoted(p.text))
		}
	}
}

// endItems ends the items that the backend did not.
func (s *responsesStream) endItems() {
	for _, it := range s.answer.items {
		if it.over {
			continue
		}
		it.over = true
		raw := s.answer.itemOf(it)
		if raw == nil {
			continue
		}
		if !it.shown {
			it.shown = true
			s.putItem("response.output_item.added", it, it.beginning(raw))
		}
		s.putItem("response.output_item.done", it, raw)
	}
}

func (s *responsesStream) putItem(name string, it *replyItem, raw []byte) {
	s.put(name, `"output_index":`+strconv.Itoa(max(it.output, 0))+`,"item":`, s.req.restore(raw))
}
