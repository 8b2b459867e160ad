package openai

import (
	"bytes"
	"errors"
	"strconv"
)

const (
	maxAnswer = 64 << 20 // the most that is kept of one answer
	itemCost  = 4 << 10  // what an item or a part counts for, so that they are few
)

var errAnswerTooLarge = errors.New("the answer is larger than 64 MiB")

// An eventKind is what a writer in another API's words is told.
type eventKind int

const (
	evStart      eventKind = iota // the answer begins: its id, model and time are known
	evText                        // a piece of text
	evRefusal                     // of a refusal
	evReasoning                   // of what the model lets us see of its thinking
	evCall                        // a call begins: its name and id are known
	evInput                       // a piece of a call's input
	evAnnotation                  // on a part of the text
	evEnd                         // the answer is whole, or as whole as it gets
)

// event is one of them. A piece of text stands as between the quotes of a JSON
// string, so that it can be written out as it came. It is valid during the call.
type event struct {
	kind eventKind
	text []byte
	item *replyItem
	part *part
	raw  []byte // of an annotation
}

// reply is what is known of a response of the backend so far. It is told the
// backend's events and tells emit what is new, each thing once, whatever the
// backend repeats: a piece and the whole, a whole item, a whole answer.
type reply struct {
	emit func(event) // nil: nobody listens
	keep bool        // keep whole items, for an answer that shows them
	less int         // than maxAnswer may be kept: for tests

	id, model, tier string
	created         int64
	items           []*replyItem // in order of appearance
	calls           int          // announced
	kept            int          // bytes
	working         bool         // something came that is work
	end             eventSort    // completed or incomplete; sortUnknown while it goes on
	reason          string       // of an incomplete one
	last            []byte       // the response as its end has it
	usage           []byte       // as the backend says it
}

// A replyItem is one of an answer's: a message, a call, some reasoning.
type replyItem struct {
	output int  // output_index, -1 if unknown
	shared bool // another item has the same
	id     string
	typ    string
	callID string
	name   string
	number int // of the call, from 0

	announced bool // emit knows the call
	done      bool
	parts     []*part
	first     []byte // as it was added
	whole     []byte // as it was done

	shown bool // the client of a Responses stream knows it
	over  bool // and that it is done
}

// A part is a text within an item.
type part struct {
	kind      partKind
	index     int
	text      []byte // what came so far, escaped
	done      bool
	annotated int
	shown     bool // the client of a Responses stream knows it
	begun     bool // a chat has something of it
	start     int  // and from which character of its text on
}

// The types of items that matter here.
const (
	message      = "message"
	reasoning    = "reasoning"
	functionCall = "function_call"
	customCall   = "custom_tool_call"
)

func (it *replyItem) isCall() bool { return it.typ == functionCall || it.typ == customCall }

// apply takes one event of the backend. It returns the item and the part that the
// event is about, nil if it is about none.
func (a *reply) apply(e *upEvent) (*replyItem, *part, error) {
	it, p := a.take(e)
	if a.kept > maxAnswer-a.less {
		return nil, nil, errAnswerTooLarge
	}
	return it, p, nil
}

func (a *reply) take(e *upEvent) (*replyItem, *part) {
	switch e.sort {
	case sortCreated:
		a.begin(e.response)
	case sortItemAdded:
		return a.added(e), nil
	case sortPartAdded:
		it := a.route(e)
		return it, a.partOf(it, e.kind, e.index)
	case sortDelta:
		it := a.route(e)
		p := a.partOf(it, e.kind, e.index)
		a.piece(it, p, e.delta)
		return it, p
	case sortDone:
		it := a.route(e)
		p := a.partOf(it, e.kind, e.index)
		a.complete(it, p, e.whole)
		return it, p
	case sortPartDone:
		it := a.route(e)
		p := a.partOf(it, e.kind, e.index)
		a.partDone(it, p, e.part)
		return it, p
	case sortAnnotation:
		it := a.route(e)
		p := a.partOf(it, e.kind, e.index)
		p.annotated++
		a.tell(event{kind: evAnnotation, item: it, part: p, raw: e.annotation})
		return it, p
	case sortItemDone:
		return a.itemDone(e), nil
	case sortCompleted, sortIncomplete:
		a.finish(e)
	}
	return nil, nil
}

func (a *reply) tell(ev event) {
	if a.emit != nil {
		a.emit(ev)
	}
}

// begin learns what a response says of itself; once.
func (a *reply) begin(response []byte) {
	if a.id != "" || len(response) == 0 {
		return
	}
	eachMember(response, func(name, value []byte) { // what it does not say stays unknown
		switch string(name) {
		case "id":
			a.id = plain(inside(value))
		case "model":
			a.model = plain(inside(value))
		case "service_tier":
			a.tier = plain(inside(value))
		case "created_at":
			if created, err := strconv.ParseFloat(string(value), 64); err == nil {
				a.created = int64(created)
			}
		}
	})
	a.tell(event{kind: evStart})
}

func (a *reply) newItem(output int, id, typ string) *replyItem {
	it := &replyItem{output: output, id: id, typ: typ}
	if other := a.byIndex(output); other != nil {
		other.shared, it.shared = true, true
	}
	a.items = append(a.items, it)
	a.kept += itemCost
	return it
}

func (a *reply) partOf(it *replyItem, kind partKind, index int) *part {
	index = max(index, 0)
	for _, p := range it.parts {
		if p.kind == kind && p.index == index {
			return p
		}
	}
	p := &part{kind: kind, index: index}
	it.parts = append(it.parts, p)
	a.kept += itemCost
	return p
}

func (it *replyItem) learn(h itemHead) {
	if h.Type != "" {
		it.typ = h.Type
	}
	if h.ID != "" {
		it.id = h.ID
	}
	if h.CallID != "" {
		it.callID = h.CallID
	}
	if h.Name != "" {
		it.name = h.Name
	}
}

func (a *reply) added(e *upEvent) *replyItem {
	a.working = true
	h := headOf(e.item)
	it := a.match(h, e.output)
	if it == nil {
		it = a.newItem(e.output, h.ID, h.Type)
	}
	it.learn(h)
	if it.first == nil && a.keep {
		it.first = a.own(e.item)
	}
	if it.name != "" {
		a.announce(it)
	}
	return it
}

// own keeps a copy of what is valid only now.
func (a *reply) own(raw []byte) []byte {
	a.kept += len(raw)
	return bytes.Clone(raw)
}

// announce reports a call, with what came of its input before it could.
func (a *reply) announce(it *replyItem) {
	if it.announced || !it.isCall() {
		return
	}
	it.announced, it.number = true, a.calls
	a.calls++
	a.tell(event{kind: evCall, item: it})
	for _, p := range it.parts {
		a.tellPiece(it, p, p.text)
	}
}

// piece takes a piece of a part.
func (a *reply) piece(it *replyItem, p *part, text []byte) {
	if p.done || it.done || len(text) == 0 {
		return
	}
	p.text = append(p.text, text...)
	a.kept += len(text)
	a.tellPiece(it, p, text)
}

func (a *reply) tellPiece(it *replyItem, p *part, text []byte) {
	if len(text) == 0 {
		return
	}
	kind := evText
	switch p.kind {
	case partRefusal:
		kind = evRefusal
	case partSummary, partReasoning:
		kind = evReasoning
	case partInput:
		if kind = evInput; !it.announced {
			return
		}
	case noPart:
		return
	}
	a.tell(event{kind: kind, text: text, item: it, part: p})
}

// complete takes the whole of a part: what no piece brought is new.
func (a *reply) complete(it *replyItem, p *part, whole []byte) {
	if p.done || it.done || len(whole) == 0 {
		return // an empty whole may only mean that another event brings it
	}
	a.piece(it, p, remainder(p.text, whole))
	p.done = p.kind != partInput || it.announced
	if p.done && !a.keep {
		a.kept -= len(p.text)
		p.text = nil // everybody has it
	}
}

// remainder returns what whole has beyond sent. If it does not begin with what was
// sent, that is to be trusted: nothing can be taken back.
func remainder(sent, whole []byte) []byte {
	if rest, ok := bytes.CutPrefix(whole, sent); ok {
		return rest
	}
	s, w := plain(sent), plain(whole)
	if len(w) > len(s) && w[:len(s)] == s {
		return escape(w[len(s):])
	}
	return nil
}
