package openai

import (
	"bytes"
	"slices"
	"strconv"
)

// write writes an event of the backend's again.
func (s *responsesStream) write(name string, data []byte, changed bool) {
	at := s.event.sequence
	if changed {
		at = placeOf(data, "sequence_number")
	}
	s.out = append(append(append(s.out, "event: "...), name...), "\ndata: "...)
	from := len(s.out)
	if n, ok := number(at.in(data)); ok && !at.empty() {
		s.last = n + s.move
		s.out = append(s.out, data[:at.from]...)
		s.out = strconv.AppendInt(s.out, int64(max(s.last, 0)), 10)
		s.out = append(s.out, data[at.to:]...)
	} else {
		s.out = append(s.out, data...)
	}
	oneLine(s.out[from:])
	s.out = append(s.out, "\n\n"...)
}

// oneLine makes spaces of the line ends in JSON, where they mean nothing.
func oneLine(data []byte) {
	for {
		i := bytes.IndexAny(data, "\r\n")
		if i < 0 {
			return
		}
		data[i] = ' '
		data = data[i+1:]
	}
}

// put writes an event of our own: the members that begin so, and a last value.
func (s *responsesStream) put(name, members string, value []byte) {
	s.last++
	s.move++
	s.out = append(append(append(append(s.out, "event: "...), name...), "\ndata: "...), `{"type":"`+name+`","sequence_number":`...)
	s.out = strconv.AppendInt(s.out, int64(s.last), 10)
	from := len(s.out)
	s.out = append(append(append(append(s.out, ','), members...), value...), '}')
	oneLine(s.out[from:])
	s.out = append(s.out, "\n\n"...)
}

// fail tells the client that there is no more: once as an event that every SDK
// takes for an error, once as the end of the response.
func (s *responsesStream) fail(b *broken) {
	if !s.lead {
		s.event = upEvent{output: -1, index: -1}
		if len(b.response) > 0 {
			s.event.response = b.response
		}
		s.begin()
	}
	said := memberOf(b.said.body(), "error")
	code, message := quote(codeOf(b.said)), quote(b.said.Message)
	param := []byte("null")
	if b.said.Param != "" {
		param = quote(b.said.Param)
	}
	s.put("error", string(slices.Concat([]byte(`"code":`), code, []byte(`,"message":`), message, []byte(`,"param":`), param, []byte(`,"error":`))), said)
	response := b.response
	if len(response) == 0 {
		response = s.answer.skeleton(s.req)
	}
	response = withMember(s.answer.sameID(response), "status", []byte(`"failed"`))
	s.put("response.failed", `"response":`, withMember(response, "error", slices.Concat([]byte(`{"code":`), code, []byte(`,"message":`), message, []byte("}"))))
}

// codeOf is an error's code, which must be a string for some SDKs.
func codeOf(e *Error) string {
	if e.Code == "" {
		return "server_error"
	}
	return e.Code
}
