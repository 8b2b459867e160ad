package sandbox

import "slices"

// A call is one of a tool, its events in three stretches: calls that are
// interleaved all begin, then send their deltas by turns, then end.
type call struct {
	begin, deltas []object
	end           func() []object
}

func isCall(verb string) bool {
	return slices.Contains([]string{"tool", "tool-done", "tool-item", "custom", "custom-done"}, verb)
}

// newCall makes a call. With tool-done, and for models that do so, its arguments
// come at its end only; with tool-item it is in one event, which ends it.
func (a *answer) newCall(s step) call {
	kind, prefix, field, deltas := "function_call", "fc_", "arguments", "response.function_call_arguments"
	if s.verb == "custom" || s.verb == "custom-done" {
		kind, prefix, field, deltas = "custom_tool_call", "ctc_", "input", "response.custom_tool_call_input"
	}
	place := a.next()
	id, callID := a.s.random.token(prefix), a.s.random.token("call_")
	item := func(id, status, said string) object {
		return object{"id": id, "type": kind, "status": status, "call_id": callID, "name": s.name, field: said}
	}
	at := func(kind string, more object) object {
		more["type"], more["item_id"], more["output_index"] = kind, a.itemID(id), place
		return more
	}
	a.said += max(1, words(s.text))
	c := call{}
	whole := s.verb == "tool-item"
	if !whole {
		c.begin = []object{{"type": "response.output_item.added", "output_index": place, "item": item(id, "in_progress", "")}}
	}
	if s.verb == "custom" || s.verb == "tool" && !a.p.model.DoneOnly {
		for _, piece := range pieces(s.text) {
			c.deltas = append(c.deltas, at(deltas+".delta", object{"delta": piece}))
		}
	}
	c.end = func() []object {
		done := a.done(place, item(a.itemID(id), "completed", s.text))
		if whole {
			return []object{done}
		}
		return []object{at(deltas+".done", object{field: s.text}), done}
	}
	return c
}

// flushCalls sends the calls that wait.
func (a *answer) flushCalls() {
	calls := a.calls
	a.calls = nil
	for _, c := range calls {
		a.add(c.begin...)
	}
	for i, left := 0, true; left; i++ {
		left = false
		for _, c := range calls {
			if i < len(c.deltas) {
				a.add(c.deltas[i])
				left = true
			}
		}
	}
	for _, c := range calls {
		a.add(c.end()...)
	}
}
