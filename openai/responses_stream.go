package openai

import "bytes"

// responsesStream passes a stream of the backend's on to a client of the public
// API. An event that may stay as it is stays so, byte for byte. Others are left out,
// fixed or put in, so that the client gets what the public API promises it.
type responsesStream struct {
	*source
	req  *Request
	out  []byte
	lead bool // response.created is out
	last int  // the last sequence_number that is out
	move int  // what is added to the backend's numbers, for events put in and left out
	err  error
}

func newResponsesStream(src *source, req *Request) *responsesStream {
	src.answer.keep = true
	return &responsesStream{source: src, req: req, last: -1}
}

// next returns the next events. With an error other than io.EOF it returns what the
// client is told about it.
func (s *responsesStream) next() ([]byte, error) {
	s.out = s.out[:0]
	if cap(s.out) > keptBuffer {
		s.out = nil
	}
	for s.err == nil {
		var f frame
		if f, s.err = s.source.next(); s.err != nil {
			break
		}
		if s.event.sort == sortUnknown {
			s.leaveOut()
			continue
		}
		var it *replyItem
		var p *part
		if it, p, s.err = s.apply(); s.err != nil {
			break
		}
		if b := s.pass(f, it, p); len(b) > 0 {
			return b, nil
		}
	}
	if b, ok := s.err.(*broken); ok {
		s.fail(b)
		return s.out, s.err
	}
	return nil, s.err
}

// leaveOut drops an event, and its number with it.
func (s *responsesStream) leaveOut() {
	if !s.event.sequence.empty() && s.lead {
		s.move--
	}
}

// pass returns what the client gets for one event: its own bytes if that will do.
func (s *responsesStream) pass(f frame, it *replyItem, p *part) []byte {
	e := &s.event
	if !s.lead {
		s.begin()
	} else if e.sort == sortCreated {
		s.leaveOut() // a second beginning
		return s.out
	}
	fresh := it != nil && !it.shown
	if it != nil && !s.introduce(it, p) {
		s.leaveOut()
		return s.out
	}
	if e.sort == sortCompleted || e.sort == sortIncomplete {
		s.endItems()
	}
	late := fresh && e.sort == sortItemAdded && len(it.parts) > 0
	data := s.repaired()
	if data == nil && !f.torn && s.move == 0 && len(s.out) == 0 && !late {
		s.counted()
		return f.raw
	}
	changed := data != nil
	if !changed {
		data = e.data
	}
	s.write(string(e.typ), data, changed)
	if late {
		s.catchUp(it)
	}
	return s.out
}

// counted notes the number of an event that passes.
func (s *responsesStream) counted() {
	if n, ok := number(s.event.sequence.in(s.event.data)); ok {
		s.last = n + s.move
	}
}

// begin makes sure that the first event is response.created.
func (s *responsesStream) begin() {
	s.lead = true
	e := &s.event
	if e.sort == sortCreated {
		return
	}
	response := e.response
	if len(response) == 0 {
		response = s.answer.skeleton(s.req)
	}
	s.answer.begin(response)
	response = withMember(withMember(response, "status", []byte(`"in_progress"`)), "output", []byte(`[]`))
	response = withMember(response, "usage", []byte("null"))
	if n, ok := number(e.sequence.in(e.data)); ok {
		s.last = n - 1
	}
	s.put("response.created", `"response":`, response)
}

// repaired returns the event's data as the client has to get it, its number aside;
// nil if that is as it came.
func (s *responsesStream) repaired() []byte {
	e := &s.event
	var data []byte
	set := func(name string, value []byte) {
		if data == nil {
			data = e.data
		}
		data = withMember(data, name, value)
	}
	if e.hasError {
		set("error", nil)
	}
	if e.spoken {
		e.typ = []byte("response.completed")
		if e.sort == sortIncomplete {
			e.typ = []byte("response.incomplete")
		}
		set("type", quoted(e.typ))
	}
	response := e.response
	if e.sort == sortCompleted || e.sort == sortIncomplete {
		response = s.answer.ended(s.req)
	}
	if response = s.answer.sameID(response); !bytes.Equal(response, e.response) {
		set("response", response)
	}
	if e.kind == partInput && e.sort == sortDone && s.req.renamed() {
		if name := inside(memberOf(e.data, "name")); name != nil {
			set("name", quote(s.req.toolName(plain(name))))
		}
	}
	if len(e.item) > 0 {
		if item := s.req.restore(e.item); !bytes.Equal(item, e.item) {
			set("item", item)
		}
	}
	return data
}
