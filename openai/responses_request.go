package openai

// ParseResponses reads the body of POST /v1/responses. Its errors are of type *Error.
func ParseResponses(body []byte, c Context) (*Request, error) { return nil, errSoon }

// ParseCompact reads the body of POST /v1/responses/compact. Its errors are of type *Error.
func ParseCompact(body []byte, c Context) (*Request, error) { return nil, errSoon }
