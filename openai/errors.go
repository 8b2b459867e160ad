package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is a refusal in OpenAI's shape.
type Error struct {
	Status  int
	Message string
	Type    string
	Param   string // the field at fault, as in messages[2].content[0]
	Code    string

	RetryAfter time.Duration // 0: not said
	NoRetry    bool          // asking again is of no use: x-should-retry: false

	PlanType string // of a usage limit
	ResetsAt int64  // of a usage limit, Unix seconds
	ResetsIn int64  // of a usage limit, seconds
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// body returns {"error":{…}}. The code is always a string: some SDKs take an error
// without one for no error of the API.
func (e *Error) body() []byte {
	var shape struct {
		Error struct {
			Message  string  `json:"message"`
			Type     string  `json:"type"`
			Param    *string `json:"param"`
			Code     string  `json:"code"`
			PlanType string  `json:"plan_type,omitempty"`
			ResetsAt int64   `json:"resets_at,omitempty"`
			ResetsIn int64   `json:"resets_in_seconds,omitempty"`
		} `json:"error"`
	}
	out := &shape.Error
	out.Message, out.Type, out.Code = e.Message, e.Type, e.Code
	out.PlanType, out.ResetsAt, out.ResetsIn = e.PlanType, e.ResetsAt, e.ResetsIn
	if e.Param != "" {
		out.Param = &e.Param
	}
	body, err := json.Marshal(shape)
	if err != nil { // strings and numbers: it can't be
		return []byte(`{"error":{"message":"unknown","type":"server_error","param":null,"code":"unknown"}}`)
	}
	return body
}

// headers sets what belongs beside the body.
func (e *Error) headers(h http.Header) {
	h.Set("Content-Type", "application/json")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if e.NoRetry {
		h.Set("X-Should-Retry", "false")
	}
}

const invalidRequest = "invalid_request_error"

// refuse is a refusal of our own: the request was not sent.
func refuse(param, code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: invalidRequest, Param: param, Code: code, Message: fmt.Sprintf(format, args...)}
}

func wrongKind(at *path, want string, got json.RawMessage) *Error {
	if len(got) == 0 {
		return missingField(at)
	}
	return refuse(at.String(), "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", at, want, kindOfJSON(got))
}

func missingField(at *path) *Error {
	return refuse(at.String(), "missing_required_parameter", "Missing required parameter: '%s'.", at)
}

func unsupported(at *path, why string) *Error {
	return refuse(at.String(), "unsupported_parameter", "Unsupported parameter: '%s'. %s", at, why)
}

func badValue(at *path, why string) *Error {
	return refuse(at.String(), "unsupported_value", "Unsupported value: '%s'. %s", at, why)
}

func kindOfJSON(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// nameOf makes a client's word for a field fit for a message or a header.
func nameOf(key string) string {
	const longest = 64
	name := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ',' || r == '"' {
			return '_'
		}
		return r
	}, key)
	if name == "" {
		return "_"
	}
	return name[:min(len(name), longest)]
}
