package openai

import (
	"encoding/json"
	"io"
)

// chatAnswer collects an answer for a client that wants no stream.
type chatAnswer struct {
	req  *Request
	text chatText
	stop *stopper
	cut  bool // at a stop string

	content, refusal, thoughts []byte // escaped
	said, refused              bool
	calls                      []*chatCall
	annotations                []json.RawMessage
}

type chatCall struct {
	*replyItem
	input []byte
}

// answerChat reads an answer to its end and returns it as a chat completion.
func answerChat(src *source, req *Request) ([]byte, error) {
	w := &chatAnswer{req: req, stop: newStopper(req.Stop)}
	if w.stop != nil {
		src.answer.emit = w.tell // as it comes: what is after the cut is not waited for
	} else {
		src.answer.keep = true
	}
	for {
		if _, err := src.next(); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if _, _, err := src.apply(); err != nil {
			return nil, err
		}
		if w.cut {
			src.answer.end = sortCompleted
		}
	}
	if w.stop == nil {
		src.answer.calls = replay(src.answer.output(), w.tell).calls
	}
	return w.body(&src.answer), nil
}

func (w *chatAnswer) tell(ev event) {
	if w.cut {
		return
	}
	if ev.kind != evText {
		w.flush()
	}
	switch ev.kind {
	case evText:
		w.say(ev)
	case evRefusal:
		w.refused = true
		w.refusal = append(w.refusal, ev.text...)
	case evReasoning:
		if w.text.newThought(ev) {
			w.thoughts = append(w.thoughts, `\n\n`...)
		}
		w.thoughts = append(w.thoughts, ev.text...)
	case evCall:
		w.calls = append(w.calls, &chatCall{replyItem: ev.item})
	case evInput:
		call := w.calls[ev.item.number]
		call.input = append(call.input, ev.text...)
	case evAnnotation:
		if a := w.text.annotation(ev); a != nil {
			w.annotations = append(w.annotations, a)
		}
	}
}

func (w *chatAnswer) say(ev event) {
	w.said = true
	if w.text.newMessage(ev) {
		w.flush()
		w.add([]byte(`\n\n`))
	}
	if w.stop == nil {
		w.add(ev.text)
		return
	}
	text, found := w.stop.feed(plain(ev.text))
	w.add(escape(text))
	w.cut = found
}

func (w *chatAnswer) flush() {
	if w.stop != nil {
		w.add(escape(w.stop.rest()))
	}
}

func (w *chatAnswer) add(text []byte) {
	w.text.count(text)
	w.content = append(w.content, text...)
}

// body is the answer. Content is null where there is something else in its place.
func (w *chatAnswer) body(a *reply) []byte {
	w.flush()
	reason := finishReason(a, w.req)
	if w.cut {
		reason = "stop"
	}
	b := []byte(headOfChat(a, w.req, "chat.completion") + `,"choices":[{"index":0,"message":{"role":"assistant","content":`)
	if w.said || !w.refused && len(w.calls) == 0 {
		b = append(b, quoted(w.content)...)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"refusal":`...)
	if w.refused {
		b = append(b, quoted(w.refusal)...)
	} else {
		b = append(b, "null"...)
	}
	if len(w.thoughts) > 0 {
		b = append(append(b, `,"reasoning_content":`...), quoted(w.thoughts)...)
	}
	b = w.appendCalls(b)
	if len(w.annotations) > 0 {
		list, _ := json.Marshal(w.annotations)
		b = append(append(b, `,"annotations":`...), list...)
	}
	b = append(b, `},"logprobs":null,"finish_reason":"`+reason+`"}]`...)
	if usage := chatUsage(a.usage); usage != nil {
		b = append(append(b, `,"usage":`...), usage...)
	}
	return append(b, '}')
}

func (w *chatAnswer) appendCalls(b []byte) []byte {
	if len(w.calls) == 0 {
		return b
	}
	if w.req.Legacy {
		call := w.calls[0]
		b = append(append(b, `,"function_call":{"name":`...), quote(w.req.toolName(call.name))...)
		return append(append(append(b, `,"arguments":`...), quoted(call.input)...), '}')
	}
	b = append(b, `,"tool_calls":[`...)
	for i, call := range w.calls {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, '{'), callHead(call.replyItem, w.req)...)
		b = append(append(b, quoted(call.input)...), "}}"...)
	}
	return append(b, ']')
}
