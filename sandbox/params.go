package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// maxForm bounds the bodies of everything but the backend.
const maxForm = 1 << 20

// params are the parameters of a request; each stands at most once (RFC 6749 §3.2).
type params map[string]string

// A refusal is an error answer on the merits of a request.
type refusal struct {
	status  int
	code    string
	message string
	rfc     bool // in the shape of RFC 6749 §5.2 and not the service's
}

func badRequest(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: fmt.Sprintf(format, args...)}
}

// body is the JSON of a refusal: the service nests its errors, RFC 6749 does not.
func (e *refusal) body() any {
	if e.rfc {
		return map[string]any{"error": e.code, "error_description": e.message}
	}
	return map[string]any{"error": map[string]any{
		"message": e.message, "type": "invalid_request_error", "param": nil, "code": e.code,
	}}
}

// readParams reads a form or a JSON object of strings, to the end: only then
// does the server notice that the client has gone away.
func readParams(w http.ResponseWriter, r *http.Request) (params, *refusal) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return nil, badRequest("the body is longer than %d bytes", tooLong.Limit)
	} else if err != nil {
		return nil, badRequest("the body could not be read")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded":
		return parseForm(string(body))
	case err == nil && kind == "application/json":
		return parseObject(body)
	default:
		return nil, badRequest("Content-Type must be application/x-www-form-urlencoded or application/json")
	}
}

func parseForm(text string) (params, *refusal) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, badRequest("the form is not well formed") // err would quote a part of the body
	}
	return single(values)
}

// single refuses a parameter that stands twice.
func single(values url.Values) (params, *refusal) {
	p := params{}
	for name, v := range values {
		if len(v) > 1 {
			return nil, badRequest("a parameter occurs %d times; RFC 6749 §3.2 allows each once", len(v))
		}
		p[name] = v[0]
	}
	return p, nil
}

func parseObject(body []byte) (params, *refusal) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || fields == nil {
		return nil, badRequest("the body is not a JSON object")
	}
	p := params{}
	for name, v := range fields {
		switch v := v.(type) {
		case string:
			p[name] = v
		case nil: // as if it were not there
		default:
			return nil, badRequest("a field of the JSON object is not a string")
		}
	}
	return p, nil
}

// writeJSON writes an answer that must not be cached (RFC 6749 §5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // our own types: not for any input
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	jsonHeader(w)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that has gone needs no answer
}

func jsonHeader(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

func writeRefusal(w http.ResponseWriter, e *refusal) { writeJSON(w, e.status, e.body()) }
