package sandbox

import (
	"strings"
)

// Items of an answer, event by event.

// next takes the next place in the output.
func (a *answer) next() int {
	a.places++
	return a.places - 1
}

// done notes a finished item.
func (a *answer) done(place int, item object) object {
	a.output = append(a.output, item)
	return object{"type": "response.output_item.done", "output_index": place, "item": item}
}

// itemID is the id of an item in an event after the first: the same, unless the
// script wants it to change.
func (a *answer) itemID(id string) string {
	if a.turn.has("shift-ids") {
		prefix, _, _ := strings.Cut(id, "_")
		return a.s.random.token(prefix + "_")
	}
	return id
}

// maxSaidAgain is how much a flood may be for its item to be said to be done,
// which says all of it again, three times.
const maxSaidAgain = 1 << 20

// message sends a message of the assistant.
func (a *answer) message(s step) {
	text := s.text
	switch s.verb {
	case "echo":
		text, _ = a.p.lastUser()
	case "json":
		text = a.fitting()
	case "big":
		text = strings.Repeat("x", s.size)
	case "cite":
		text = s.text + " (" + s.name + ")"
	}
	id, place := a.s.random.token("msg_"), a.next()
	item := func(status string, parts ...any) object {
		m := object{"id": id, "type": "message", "role": "assistant", "status": status, "content": append([]any{}, parts...)}
		switch s.verb {
		case "commentary":
			m["phase"] = "commentary"
		case "final":
			m["phase"] = "final_answer"
		}
		return m
	}
	at := func(kind string, more object) object {
		more["type"], more["item_id"], more["output_index"], more["content_index"] = kind, a.itemID(id), place, 0
		return more
	}
	kind, part := "output_text", textPart
	if s.verb == "refuse" {
		kind, part = "refusal", refusalPart
	}
	a.add(object{"type": "response.output_item.added", "output_index": place, "item": item("in_progress")})
	a.add(at("response.content_part.added", object{"part": part("")}))
	switch s.verb {
	case "flood":
		if s.n == 0 {
			break
		}
		a.frames = append(a.frames, frame{event: at("response.output_text.delta", object{"delta": strings.Repeat("x", s.size), "logprobs": []any{}}), times: s.n})
		if s.n*s.size > maxSaidAgain {
			return
		}
		text = strings.Repeat("x", s.n*s.size)
	case "big":
		a.add(at("response.output_text.delta", object{"delta": text, "logprobs": []any{}}))
	default:
		for _, piece := range pieces(text) {
			delta := at("response."+kind+".delta", object{"delta": piece})
			if kind == "output_text" {
				delta["logprobs"] = []any{}
			}
			a.add(delta)
		}
	}
	a.said += words(text)
	if s.verb == "bare" {
		return // nobody says that it is done
	}
	whole := part(text)
	if s.verb == "cite" {
		begin := len([]rune(s.text)) + 1
		note := object{"type": "url_citation", "url": s.name, "title": s.text, "start_index": begin, "end_index": len([]rune(text))}
		whole["annotations"] = []any{note}
		a.add(at("response.output_text.annotation.added", object{"annotation_index": 0, "annotation": note}))
	}
	if kind == "refusal" {
		a.add(at("response.refusal.done", object{"refusal": text}))
	} else {
		a.add(at("response.output_text.done", object{"text": text, "logprobs": []any{}}))
	}
	finished := item("completed", whole)
	finished["id"] = a.itemID(id)
	a.add(at("response.content_part.done", object{"part": whole}), a.done(place, finished))
}

func textPart(text string) object {
	return object{"type": "output_text", "text": text, "annotations": []any{}, "logprobs": []any{}}
}

func refusalPart(text string) object { return object{"type": "refusal", "refusal": text} }

// fitting is the JSON that the request asks for.
func (a *answer) fitting() string {
	schema, _ := a.p.format()["schema"].(map[string]any)
	return fitText(schema)
}

// reasoning sends an item of thoughts: its summary if the request asks for one,
// part by part, and what is hidden if it includes that.
func (a *answer) reasoning(text string) {
	id, place := a.s.random.token("rs_"), a.next()
	a.thought += max(1, words(text))
	item := object{"id": id, "type": "reasoning", "summary": []any{}}
	if a.includes("reasoning.encrypted_content") {
		item["encrypted_content"] = a.s.sealed(a.user.AccountID)
	}
	a.add(object{"type": "response.output_item.added", "output_index": place, "item": item})
	reasoning, _ := a.p.fields["reasoning"].(map[string]any)
	summary := []any{}
	if reasoning["summary"] != nil {
		for i, said := range strings.Split(text, "\n\n") {
			at := func(kind string, more object) object {
				more["type"], more["item_id"], more["output_index"], more["summary_index"] = kind, a.itemID(id), place, i
				return more
			}
			part := func(text string) object { return object{"type": "summary_text", "text": text} }
			a.add(at("response.reasoning_summary_part.added", object{"part": part("")}))
			for _, piece := range pieces(said) {
				a.add(at("response.reasoning_summary_text.delta", object{"delta": piece}))
			}
			a.add(at("response.reasoning_summary_text.done", object{"text": said}), at("response.reasoning_summary_part.done", object{"part": part(said)}))
			summary = append(summary, part(said))
		}
	}
	finished := object{"id": a.itemID(id), "type": "reasoning", "summary": summary}
	if sealed, given := item["encrypted_content"]; given {
		finished["encrypted_content"] = sealed
	}
	a.add(a.done(place, finished))
}

func (a *answer) includes(what string) bool {
	list, _ := a.p.fields["include"].([]any)
	for _, v := range list {
		if v == what {
			return true
		}
	}
	return false
}

// search sends a call of a tool that the service runs itself.
func (a *answer) search(query string) {
	place := a.next()
	item := object{"id": a.s.random.token("ws_"), "type": "web_search_call", "status": "in_progress", "action": object{"type": "search", "query": query}}
	a.add(object{"type": "response.output_item.added", "output_index": place, "item": item})
	for _, kind := range []string{"in_progress", "searching", "completed"} {
		a.add(object{"type": "response.web_search_call." + kind, "output_index": place, "item_id": item["id"]})
	}
	a.add(a.done(place, object{"id": item["id"], "type": "web_search_call", "status": "completed", "action": item["action"]}))
}

// image sends a picture of so many bytes, in one event.
func (a *answer) image(size int) {
	place, id := a.next(), a.s.random.token("ig_")
	a.add(object{"type": "response.output_item.added", "output_index": place, "item": object{"id": id, "type": "image_generation_call", "status": "in_progress"}})
	a.add(object{"type": "response.image_generation_call.generating", "output_index": place, "item_id": id})
	a.add(a.done(place, object{"id": id, "type": "image_generation_call", "status": "completed", "result": strings.Repeat("A", size)}))
}

// pieces cuts text into at most some thirty deltas of whole runes.
func pieces(text string) []string {
	runes := []rune(text)
	size := max(12, (len(runes)+31)/32)
	var out []string
	for len(runes) > 0 {
		n := min(size, len(runes))
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}
