package openai

// route finds the item that an event is about: by its index, else by its id, else
// it is the only one that is open. If there is none, the event comes before its
// item does, and the item is made.
func (a *reply) route(e *upEvent) *replyItem {
	a.working = true
	byIndex := a.byIndex(e.output)
	if byIndex != nil && !byIndex.shared {
		return byIndex
	}
	if it := a.byID(e.itemID); it != nil {
		return it
	}
	if byIndex != nil {
		return byIndex
	}
	if e.output < 0 {
		if it := a.onlyOpen(e.kind); it != nil {
			return it
		}
	}
	return a.newItem(e.output, plain(e.itemID), typeFor(e.kind))
}

func (a *reply) byIndex(output int) *replyItem {
	for i := len(a.items) - 1; i >= 0 && output >= 0; i-- {
		if a.items[i].output == output {
			return a.items[i]
		}
	}
	return nil
}

func (a *reply) byID(id []byte) *replyItem {
	for i := len(a.items) - 1; i >= 0 && len(id) > 0; i-- {
		if a.items[i].id == string(id) {
			return a.items[i]
		}
	}
	return nil
}

// onlyOpen returns the one open item that can have such a part.
func (a *reply) onlyOpen(kind partKind) (only *replyItem) {
	for _, it := range a.items {
		if it.done || it.typ != typeFor(kind) && !(kind == partInput && it.isCall()) {
			continue
		}
		if only != nil {
			return nil
		}
		only = it
	}
	return only
}

// typeFor is the type of an item that has such parts; a call's is not known.
func typeFor(kind partKind) string {
	switch kind {
	case partText, partRefusal:
		return message
	case partSummary, partReasoning:
		return reasoning
	}
	return ""
}

// itemHead is what tells an item from others.
type itemHead struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Name   string `json:"name"`
}

func headOf(raw []byte) (h itemHead) {
	eachMember(raw, func(name, value []byte) {
		switch string(name) {
		case "id":
			h.ID = plain(inside(value))
		case "type":
			h.Type = plain(inside(value))
		case "call_id":
			h.CallID = plain(inside(value))
		case "name":
			h.Name = plain(inside(value))
		}
	})
	return h
}

// match finds the item that a head is of; among those with its index it must be
// one that may be the same.
func (a *reply) match(h itemHead, output int) *replyItem {
	for _, it := range a.items {
		if h.CallID != "" && it.callID == h.CallID && it.typ == h.Type {
			return it
		}
	}
	for _, it := range a.items {
		if h.ID != "" && it.id == h.ID && it.fits(h) {
			return it
		}
	}
	if it := a.byIndex(output); it != nil && it.fits(h) {
		return it
	}
	return nil
}

func (it *replyItem) fits(h itemHead) bool {
	return (it.typ == "" || it.typ == h.Type) && (it.callID == "" || h.CallID == "" || it.callID == h.CallID)
}

// onlyLike returns the one open item that a head without an index can be of.
func (a *reply) onlyLike(h itemHead) (only *replyItem) {
	for _, it := range a.items {
		if it.done || !it.fits(h) {
			continue
		}
		if only != nil {
			return nil
		}
		only = it
	}
	return only
}
