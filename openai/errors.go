package openai

import (
	"net/http"
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
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// body returns {"error":{…}}.
func (e *Error) body() []byte { return nil }

// headers sets what belongs beside the body.
func (e *Error) headers(h http.Header) {}

// BackendError puts a refusal of the backend in OpenAI's shape.
func BackendError(status int, h http.Header, body []byte, models *Models) *Error { return nil }
