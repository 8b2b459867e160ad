package openai

import "errors"

var errSoon = errors.New("not yet written")

// ParseChat reads the body of POST /v1/chat/completions. A body that has input in
// place of messages is read as one of Responses, and still answered as chat.
// Its errors are of type *Error.
func ParseChat(body []byte, c Context) (*Request, error) { return nil, errSoon }
