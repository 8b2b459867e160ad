package openai

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// chatStream writes an answer as the chunks of a chat completion. A chunk is one
// frame; what the backend's text holds is copied into it as it is escaped there.
type chatStream struct {
	*source
	req  *Request
	out  []byte
	head string // of every chunk, up to its choices
	tail string // after its choices
	text chatText
	stop *stopper // nil: the text is cut nowhere

	annotations []json.RawMessage
	cut         bool // at a stop string: the rest is not for the client
	err         error
}

func newChatStream(src *source, req *Request) *chatStream {
	c := &chatStream{source: src, req: req, stop: newStopper(req.Stop)}
	src.answer.emit = c.tell
	return c
}

// next returns the next chunks. With an error other than io.EOF it returns what the
// client is told about it.
func (c *chatStream) next() ([]byte, error) {
	c.out = c.out[:0]
	if cap(c.out) > keptBuffer {
		c.out = nil
	}
	for len(c.out) == 0 && c.err == nil {
		if _, c.err = c.source.next(); c.err == nil {
			_, _, c.err = c.apply()
		}
		if b, ok := c.err.(*broken); ok {
			c.flush()
			c.out = append(append(append(c.out, "data: "...), b.said.body()...), "\n\n"...)
			return c.out, c.err
		}
	}
	if len(c.out) > 0 {
		return c.out, nil
	}
	return nil, c.err
}

// tell writes what is new. After a stop string nothing is.
func (c *chatStream) tell(ev event) {
	if c.cut {
		return
	}
	if c.head == "" {
		c.begin()
	}
	if ev.kind != evText && ev.kind != evStart {
		c.flush()
	}
	switch ev.kind {
	case evText:
		c.textDelta(ev)
	case evRefusal:
		c.delta(`"refusal":"`, ev.text, `"`)
	case evReasoning:
		if c.text.newThought(ev) {
			c.delta(`"reasoning_content":"`, []byte(`\n\n`), `"`)
		}
		c.delta(`"reasoning_content":"`, ev.text, `"`)
	case evCall:
		c.call(ev.item)
	case evInput:
		c.input(ev)
	case evAnnotation:
		if a := c.text.annotation(ev); a != nil {
			c.annotations = append(c.annotations, a)
		}
	case evEnd:
		c.end(finishReason(&c.answer, c.req))
	}
}

func (c *chatStream) textDelta(ev event) {
	if c.text.newMessage(ev) {
		c.flush()
		c.content([]byte(`\n\n`))
	}
	if c.stop == nil {
		c.content(ev.text)
		return
	}
	text, found := c.stop.feed(plain(ev.text))
	if text != "" {
		c.content(escape(text))
	}
	if found {
		c.end("stop")
		c.cut = true
		c.answer.end = sortCompleted // for us: the backend would go on
	}
}

// flush writes what was held back because it might have begun a stop string.
func (c *chatStream) flush() {
	if c.stop == nil || c.head == "" {
		return
	}
	if text := c.stop.rest(); text != "" {
		c.content(escape(text))
	}
}

func (c *chatStream) content(text []byte) {
	c.text.count(text)
	c.delta(`"content":"`, text, `"`)
}

// begin writes the chunk that says whose the words are.
func (c *chatStream) begin() {
	h := headOfChat(&c.answer, c.req, "chat.completion.chunk")
	c.head = "data: " + h + `,"choices":[`
	c.tail = "]}\n\n"
	if c.req.IncludeUsage {
		c.tail = `],"usage":null}` + "\n\n"
	}
	c.delta(`"role":"assistant","content":"`, nil, `"`)
}

// delta writes one chunk.
func (c *chatStream) delta(before string, text []byte, after string) {
	c.open()
	c.out = append(append(append(c.out, before...), text...), after...)
	c.shut()
}

func (c *chatStream) open() { c.out = append(append(c.out, c.head...), `{"index":0,"delta":{`...) }
func (c *chatStream) shut() { c.out = append(append(c.out, `},"finish_reason":null}`...), c.tail...) }

// toolDelta writes one chunk about a call.
func (c *chatStream) toolDelta(number int, before string, text []byte, after string) {
	c.open()
	c.out = strconv.AppendInt(append(c.out, `"tool_calls":[{"index":`...), int64(number), 10)
	c.out = append(append(append(c.out, before...), text...), after...)
	c.shut()
}

// call announces a call. A client of the old functions knows only one.
func (c *chatStream) call(it *replyItem) {
	switch {
	case !c.req.Legacy:
		c.toolDelta(it.number, `,`, callHead(it, c.req), `""}}]`)
	case it.number == 0:
		c.delta(`"function_call":{"name":`, quote(c.req.toolName(it.name)), `,"arguments":""}`)
	}
}

// input writes a piece of a call's input.
func (c *chatStream) input(ev event) {
	switch {
	case c.req.Legacy && ev.item.number > 0:
	case c.req.Legacy:
		c.delta(`"function_call":{"arguments":"`, ev.text, `"}`)
	case ev.item.typ == customCall:
		c.toolDelta(ev.item.number, `,"custom":{"input":"`, ev.text, `"}}]`)
	default:
		c.toolDelta(ev.item.number, `,"function":{"arguments":"`, ev.text, `"}}]`)
	}
}

func (c *chatStream) end(reason string) {
	if len(c.annotations) > 0 {
		list, _ := json.Marshal(c.annotations)
		c.delta(`"annotations":`, list, "")
	}
	c.out = append(c.out, c.head...)
	c.out = append(append(append(c.out, `{"index":0,"delta":{},"finish_reason":"`...), reason...), `"}`...)
	c.out = append(c.out, c.tail...)
	if c.req.IncludeUsage {
		c.usage()
	}
	c.out = append(c.out, "data: [DONE]\n\n"...)
}

func (c *chatStream) usage() {
	if usage := chatUsage(c.answer.usage); usage != nil {
		c.out = append(append(append(c.out, c.head...), `],"usage":`...), usage...)
		c.out = append(c.out, "}\n\n"...)
	}
}

// headOfChat is how every chunk and every answer begins.
func headOfChat(a *reply, req *Request, object string) string {
	model, created := a.model, a.created
	if model == "" {
		model = req.Model
	}
	if created == 0 {
		created = time.Now().Unix()
	}
	var b strings.Builder
	b.WriteString(`{"id":"chatcmpl-` + rand.Text() + `","object":"` + object + `","created":`)
	b.WriteString(strconv.FormatInt(created, 10) + `,"model":` + string(quote(model)))
	if a.tier != "" {
		b.WriteString(`,"service_tier":` + string(quote(a.tier)))
	}
	return b.String()
}

// callHead is a call as far as its input, whose value follows.
func callHead(it *replyItem, req *Request) []byte {
	kind, input := "function", "arguments"
	if it.typ == customCall {
		kind, input = "custom", "input"
	}
	id := it.callID
	if id == "" {
		id = it.id
	}
	return []byte(`"id":` + string(quote(id)) + `,"type":"` + kind + `","` + kind + `":{"name":` +
		string(quote(req.toolName(it.name))) + `,"` + input + `":`)
}

func quote(text string) []byte { return quoted(escape(text)) }
