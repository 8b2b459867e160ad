package openai

import "bytes"

// partDone takes a part that is whole.
func (a *reply) partDone(it *replyItem, p *part, raw []byte) {
	text := inside(memberOf(raw, "text"))
	if p.kind == partRefusal {
		text = inside(memberOf(raw, "refusal"))
	}
	a.complete(it, p, text)
	if p.kind == partText {
		a.annotations(it, p, memberOf(raw, "annotations"))
	}
}

// annotations reports those that came with the whole and with no event.
func (a *reply) annotations(it *replyItem, p *part, list []byte) {
	n := 0
	each(list, func(raw []byte) {
		if n++; n > p.annotated {
			p.annotated++
			a.tell(event{kind: evAnnotation, item: it, part: p, raw: raw})
		}
	})
}

// itemDone takes an item that is whole; it may be the first that is heard of it.
func (a *reply) itemDone(e *upEvent) *replyItem {
	a.working = true
	h := headOf(e.item)
	it := a.match(h, e.output)
	if it == nil && e.output < 0 {
		it = a.onlyLike(h)
	}
	if it == nil {
		it = a.newItem(e.output, h.ID, h.Type)
	}
	a.wholeItem(it, h, e.item)
	return it
}

func (a *reply) wholeItem(it *replyItem, h itemHead, raw []byte) {
	if it.done {
		return
	}
	it.learn(h)
	a.announce(it)
	switch it.typ {
	case message:
		a.partsDone(it, memberOf(raw, "content"))
	case reasoning:
		a.partsDone(it, memberOf(raw, "summary"))
		a.partsDone(it, memberOf(raw, "content"))
	case functionCall:
		a.complete(it, a.partOf(it, partInput, 0), inside(memberOf(raw, "arguments")))
	case customCall:
		a.complete(it, a.partOf(it, partInput, 0), inside(memberOf(raw, "input")))
	}
	it.done = true
	for _, p := range it.parts {
		a.kept -= len(p.text)
		p.text = nil
	}
	if a.keep {
		a.kept -= len(it.first)
		it.first, it.whole = nil, a.own(raw)
	}
}

func (a *reply) partsDone(it *replyItem, list []byte) {
	i := 0
	each(list, func(raw []byte) {
		if kind := partKindOf(raw); kind != noPart {
			a.partDone(it, a.partOf(it, kind, i), raw)
		}
		i++
	})
}

// finish takes the end of a good answer. Its output counts where no event told about
// an item, and else only for what was begun and not ended: the backend mostly says
// that there is none.
func (a *reply) finish(e *upEvent) {
	a.begin(e.response)
	a.working = true
	known := len(a.items)
	var output, details, usage []byte
	eachMember(e.response, func(name, value []byte) {
		switch string(name) {
		case "output":
			output = value
		case "incomplete_details":
			details = value
		case "usage":
			usage = value
		}
	})
	each(output, func(raw []byte) {
		h := headOf(raw)
		it := a.match(h, -1)
		if it == nil && known == 0 {
			it = a.newItem(len(a.items), h.ID, h.Type)
		}
		if it != nil {
			a.wholeItem(it, h, raw)
		}
	})
	a.end = e.sort
	a.reason = plain(inside(memberOf(details, "reason")))
	a.usage = bytes.Clone(asObject(usage))
	if a.keep {
		a.last = a.own(e.response)
	}
	a.tell(event{kind: evEnd})
}
