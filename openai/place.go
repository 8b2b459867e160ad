package openai

import (
	"net/http"
	"strings"
)

// place is what a path asks for.
type place struct {
	api     API    // to post to
	models  bool   // the list of models, or
	model   string // one of them
	missing string // why there is nothing
}

const whatThereIs = "The calls are POST /v1/chat/completions, POST /v1/responses, POST /v1/responses/compact, GET /v1/models and GET /v1/models/ID."

// placeIn reads a path from its end: what stands before is of the client's base URL.
func placeIn(path string) place {
	path = strings.TrimSuffix(path, "/")
	if i := strings.Index(path, "/models/"); i >= 0 {
		return place{models: true, model: path[i+len("/models/"):]}
	}
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return place{api: ChatCompletions}
	case strings.HasSuffix(path, "/responses/compact"):
		return place{api: Compact}
	case strings.HasSuffix(path, "/responses"):
		return place{api: Responses}
	case strings.HasSuffix(path, "/models"):
		return place{models: true}
	case strings.HasSuffix(path, "/responses/input_tokens"):
		return place{missing: "Tokens of an input cannot be counted here: the backend has no such call. " + whatThereIs}
	case strings.Contains(path, "/responses/"):
		return place{missing: "Responses are not stored (store is false), so none can be fetched, cancelled or deleted. " + whatThereIs}
	}
	return place{missing: "There is no such call. " + whatThereIs}
}

// refuse refuses what is not there.
func (p place) refuse(method string) *Error {
	if p.missing != "" {
		return &Error{Status: http.StatusNotFound, Type: "invalid_request_error", Code: "unknown_url", Message: p.missing, NoRetry: true}
	}
	if p.models && (method == http.MethodGet || method == http.MethodHead) || !p.models && method == http.MethodPost {
		return nil
	}
	return &Error{Status: http.StatusMethodNotAllowed, Type: "invalid_request_error", Code: "method_not_allowed", NoRetry: true,
		Message: "This call uses another method. " + whatThereIs}
}

// NotFound is the refusal of a path that leads to no call. It says what there is.
func NotFound(path string) *Error {
	missing := placeIn(path)
	if missing.missing == "" {
		missing.missing = "There is no such call. " + whatThereIs
	}
	return missing.refuse(http.MethodPost)
}
