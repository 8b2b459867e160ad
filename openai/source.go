package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// ErrInterrupted: the backend's answer ended before its end, or in a failure. The
// client was told so in the answer, and what it got is not whole. An *Error says
// more.
var ErrInterrupted = errors.New("the answer was cut off")

// broken is how an answer ends that does not end well.
type broken struct {
	said     *Error // for the client
	cause    error  // nil if the backend said it
	response []byte // of a response.failed
}

func (b *broken) Error() string {
	if b.cause == nil {
		return fmt.Sprintf("%v: %v", ErrInterrupted, b.said)
	}
	return fmt.Sprintf("%v: %v", ErrInterrupted, b.cause)
}

func (b *broken) Unwrap() []error {
	if b.cause == nil {
		return []error{ErrInterrupted, b.said}
	}
	return []error{ErrInterrupted, b.said, b.cause}
}

func cutOff(cause error) *broken {
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	return &broken{cause: cause, said: &Error{
		Status: http.StatusBadGateway, Type: "server_error", Code: "stream_interrupted",
		Message: "The backend's answer was cut off before its end. The answer is incomplete; ask again.",
	}}
}

func tooLarge(cause error) *broken {
	return &broken{cause: cause, said: &Error{
		Status: http.StatusBadGateway, Type: "server_error", Code: "answer_too_large",
		Message: "The backend's answer is too large: " + cause.Error() + ".", NoRetry: true,
	}}
}

// source reads the backend's events into an answer.
type source struct {
	frames frameReader
	event  upEvent
	answer reply
	models *Models
	ended  func() // told once the answer has ended well, before the client is
}

// next reads one event into s.event. It returns io.EOF once the answer has ended
// well, whatever still comes, and otherwise a *broken.
func (s *source) next() (frame, error) {
	for {
		if s.answer.end != sortUnknown {
			return frame{}, io.EOF
		}
		f, err := s.frames.next()
		switch {
		case errors.Is(err, errEventTooLarge):
			return f, tooLarge(err)
		case err != nil:
			return f, cutOff(err)
		}
		if data := bytes.TrimSpace(f.data); len(data) == 0 || string(data) == "[DONE]" {
			continue // nothing is done before the response is
		}
		if err := s.event.parse(f.data); err != nil {
			if f.torn {
				err = io.ErrUnexpectedEOF
			}
			return f, cutOff(err)
		}
		if s.event.sort == sortFailed || s.event.sort == sortError {
			return f, s.failure()
		}
		return f, nil
	}
}

// apply tells the answer of the event.
func (s *source) apply() (*replyItem, *part, error) {
	it, p, err := s.answer.apply(&s.event)
	if err != nil {
		return nil, nil, tooLarge(err)
	}
	if s.answer.end != sortUnknown && s.ended != nil {
		s.ended()
	}
	return it, p, nil
}

// failure is what the backend says of its own failure.
func (s *source) failure() *broken {
	e := &s.event
	said := e.failure
	if e.sort == sortFailed {
		s.answer.begin(e.response)
		said = memberOf(e.response, "error")
	} else if isNull(said) {
		said = withMember(withMember(e.data, "type", nil), "sequence_number", nil) // it stands in the event itself
	}
	if len(said) == 0 || said[0] != '{' {
		said = []byte(`{"message":"The backend failed and did not say why.","code":"server_error"}`)
	}
	body := withMember([]byte(`{}`), "error", said)
	return &broken{
		said:     BackendError(statusOf(e.data), nil, body, s.models),
		response: bytes.Clone(e.response),
	}
}

// statusOf is the HTTP status that a failure within a stream says it would have
// had; 0 if it says none.
func statusOf(event []byte) int {
	for _, name := range []string{"status", "status_code"} {
		if n, ok := number(memberOf(event, name)); ok && n >= 400 && n < 600 {
			return n
		}
	}
	return 0
}
