package openai

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// droppedHeader names what of a request was left out.
const droppedHeader = "X-Codexauth-Dropped"

// forBackend reports whether a header of the client's request goes on to the
// backend: what the official client says of itself and of its session, and what
// traces a request. Who the client is to us, and where it runs, is not for it.
func forBackend(name string) bool {
	switch name {
	case "User-Agent", "Originator", "Version", "Openai-Beta", "Traceparent", "Tracestate", "X-Client-Request-Id",
		"Session_id", "Session-Id", "Conversation_id", "Conversation-Id", "Thread_id", "Thread-Id":
		return true
	case "X-Openai-Fedramp":
		return false // the login's to say
	}
	return strings.HasPrefix(name, "X-Codex-") || strings.HasPrefix(name, "X-Openai-") || strings.HasPrefix(name, "X-Oai-")
}

// passHeaders takes over what the backend's headers say of its answer: the request's id,
// and how much of the quota is used.
func passHeaders(to, from http.Header) {
	for name, values := range from {
		switch {
		case name == "X-Request-Id", name == "X-Models-Etag", name == "Openai-Processing-Ms", name == "Openai-Model", name == "Openai-Version",
			strings.HasPrefix(name, "X-Codex-"), strings.HasPrefix(name, "X-Ratelimit-"), strings.HasPrefix(name, "X-Oai-"), name == "X-Reasoning-Included":
			if to[name] == nil {
				to[name] = values
			}
		}
	}
}

func nameDropped(h http.Header, req *Request) {
	if req != nil && len(req.Dropped) > 0 {
		h.Set(droppedHeader, strings.Join(req.Dropped, ", "))
	}
}

// refuse answers with a refusal before the backend said a word.
func (t *Transport) refuse(client *http.Request, req *Request, refusal *Error) *http.Response {
	result := Result{Status: refusal.Status, Ended: Refused}
	if req != nil {
		result.API, result.Model, result.Dropped = req.API, req.Model, req.Dropped
	}
	t.told(client, result)
	return refusalAnswer(client, req, refusal)
}

func refusalAnswer(client *http.Request, req *Request, refusal *Error) *http.Response {
	resp := jsonAnswer(client, refusal.Status, refusal.body())
	refusal.headers(resp.Header)
	nameDropped(resp.Header, req)
	return resp
}

func jsonAnswer(client *http.Request, status int, body []byte) *http.Response {
	resp := &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(body))}},
		ContentLength: int64(len(body)), Request: client, Body: io.NopCloser(bytes.NewReader(body)),
	}
	if client.Method == http.MethodHead {
		resp.Body = http.NoBody
	}
	return resp
}
