package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxRequest = 64 << 20 // bytes of a client's request
	maxRefusal = 1 << 20  // of the backend's refusal
)

// Transport is an http.RoundTripper that speaks OpenAI's API to a client and the
// backend's to Base. Whatever base URL a client has, the end of a path decides:
// /chat/completions, /responses, /responses/compact, /models and /models/ID.
//
// A refusal is an answer in OpenAI's shape, also where the backend refuses in an
// answer that has begun and has no word in it yet. After that it is an event in the
// stream, and the body ends with an error, never as if it were whole. A request is
// sent once. When the client's context ends or it closes the body, the backend's
// work ends, too.
type Transport struct {
	// Base signs requests and sends them: [codexauth.Manager.Transport].
	Base http.RoundTripper
	// BackendURL is where the backend is, without a slash at its end.
	BackendURL string
	// ClientVersion is what the backend's list of models is asked for; empty means
	// a version that is known to get all of them.
	ClientVersion string
	// Memory remembers answers for clients that refer to them; nil remembers none.
	Memory *Memory
	// KeyOf tells clients apart that must not see each other's memory; nil means
	// that there is one.
	KeyOf func(*http.Request) string
	// OnResult, if not nil, is called with how each request ended, once, from any goroutine.
	OnResult func(*http.Request, Result)

	models modelCache
}

// NewTransport returns a Transport to the backend at backendURL. What base sends
// must be signed: give it Manager.Transport.
func NewTransport(base http.RoundTripper, backendURL string) *Transport {
	return &Transport{Base: base, BackendURL: strings.TrimSuffix(backendURL, "/")}
}

// RoundTrip answers one request of a client.
func (t *Transport) RoundTrip(client *http.Request) (*http.Response, error) {
	if client.Body != nil {
		defer client.Body.Close()
	}
	where := placeIn(client.URL.Path)
	if refusal := where.refuse(client.Method); refusal != nil {
		return t.refuse(client, nil, refusal), nil
	}
	if where.api == "" {
		return t.answerModels(client, where.model)
	}
	x := &exchange{t: t, client: client}
	return x.run(where.api)
}

// exchange is one request to the backend and its answer.
type exchange struct {
	t      *Transport
	client *http.Request
	req    *Request
	models *Models
	recall *Recall
	cancel context.CancelFunc
}

func (x *exchange) run(api API) (*http.Response, error) {
	if err := x.read(api); err != nil {
		return x.unread(api, err)
	}
	resp, err := x.send()
	if err != nil {
		x.cancel()
		x.t.told(x.client, x.result(nil, err))
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return x.refused(resp)
	}
	if x.req.API == Compact {
		return x.compacted(resp)
	}
	src := &source{frames: frameReader{src: resp.Body}, models: x.models}
	src.ended = func() { x.remember(&src.answer) }
	if x.req.Stream {
		return x.stream(resp, src)
	}
	return x.whole(resp, src)
}

// read reads the client's request. Its error is an *Error, or that of the client's
// body.
func (x *exchange) read(api API) error {
	if enc := x.client.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return &Error{Status: http.StatusUnsupportedMediaType, Type: "invalid_request_error", Code: "unsupported_content_encoding",
			Message: "The body is compressed; send it as it is."}
	}
	body, err := readAll(x.client.Body, x.client.ContentLength, maxRequest)
	if errors.Is(err, errTooMuch) {
		return &Error{Status: http.StatusRequestEntityTooLarge, Type: "invalid_request_error", Code: "request_too_large",
			Message: "The body is larger than 64 MiB."}
	}
	if err != nil {
		return fmt.Errorf("openai: the request's body: %w", err)
	}
	key := ""
	if x.t.KeyOf != nil {
		key = x.t.KeyOf(x.client)
	}
	x.recall = x.t.Memory.For(key)
	x.models, _ = x.t.list(x.client.Context()) // without it the backend gets the minimum
	parse := ParseChat
	switch api {
	case Responses:
		parse = ParseResponses
	case Compact:
		parse = ParseCompact
	}
	x.req, err = parse(body, Context{Models: x.models, Recall: x.recall, CacheKey: "codexauth:" + key})
	return err
}

// unread answers a request that can't be sent. An error of the client's body is the
// caller's, as it is for every RoundTripper.
func (x *exchange) unread(api API, err error) (*http.Response, error) {
	var refusal *Error
	if !errors.As(err, &refusal) {
		x.t.told(x.client, Result{API: api, Ended: Cancelled})
		return nil, err
	}
	return x.t.refuse(x.client, x.asked(api), refusal), nil
}

// asked is the request as far as it is known.
func (x *exchange) asked(api API) *Request {
	if x.req == nil {
		return &Request{API: api}
	}
	return x.req
}

// send sends the request to the backend. Its body is let go of once the backend
// has answered: a stream lasts long.
func (x *exchange) send() (*http.Response, error) {
	path := "/responses"
	if x.req.API == Compact {
		path = "/responses/compact"
	}
	ctx, cancel := context.WithCancel(x.client.Context())
	x.cancel = cancel
	body := &payload{data: x.req.Body, size: len(x.req.Body)}
	x.req.Body = nil
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, x.t.BackendURL+path, nil)
	if err != nil {
		return nil, err
	}
	out.Body, out.GetBody, out.ContentLength = body.reader(), func() (io.ReadCloser, error) { return body.reader(), nil }, int64(body.size)
	for name, values := range x.client.Header {
		if forBackend(name) {
			out.Header[name] = values
		}
	}
	out.Header.Set("Content-Type", "application/json")
	out.Header.Set("Accept", "text/event-stream")
	out.Header.Set("Accept-Encoding", "identity")
	resp, err := x.t.Base.RoundTrip(out)
	body.drop()
	x.recall.await(ctx, x.req)
	return resp, err
}

// refused answers with the backend's refusal.
func (x *exchange) refused(resp *http.Response) (*http.Response, error) {
	var body []byte
	if resp.StatusCode != http.StatusSwitchingProtocols { // whose body is a connection
		body, _ = readAll(resp.Body, resp.ContentLength, maxRefusal) // as far as it can be read
	}
	resp.Body.Close()
	x.cancel()
	if err := x.client.Context().Err(); err != nil {
		x.t.told(x.client, x.result(nil, err))
		return nil, err
	}
	answer := x.t.refuse(x.client, x.req, BackendError(refusedStatus(resp.StatusCode), resp.Header, body, x.models))
	passHeaders(answer.Header, resp.Header)
	return answer, nil
}

// refusedStatus is what a client gets for a status that is no success: a redirect
// is never followed with a token.
func refusedStatus(status int) int {
	if status < 400 {
		return http.StatusBadGateway
	}
	return status
}

// compacted passes on what is one JSON value.
func (x *exchange) compacted(resp *http.Response) (*http.Response, error) {
	body, err := readAll(resp.Body, resp.ContentLength, maxAnswer)
	if err == nil && !json.Valid(body) {
		err = errUnreadable
	}
	if err != nil {
		return x.failed(resp, nil, cutOff(err))
	}
	settle(resp.Body, x.cancel)
	x.t.told(x.client, Result{API: x.req.API, Model: x.req.Model, Dropped: x.req.Dropped, Status: http.StatusOK, Ended: Completed})
	return x.answer(resp, "application/json", io.NopCloser(bytes.NewReader(body)), int64(len(body))), nil
}

// whole answers a client that wants no stream.
func (x *exchange) whole(resp *http.Response, src *source) (*http.Response, error) {
	write := answerResponses
	if x.req.API == ChatCompletions {
		write = answerChat
	}
	body, err := write(src, x.req)
	if err != nil {
		return x.failed(resp, src, err)
	}
	settle(resp.Body, x.cancel)
	x.t.told(x.client, x.result(src, io.EOF))
	return x.answer(resp, "application/json", io.NopCloser(bytes.NewReader(body)), int64(len(body))), nil
}

// failed answers where no word of the answer is out yet.
func (x *exchange) failed(resp *http.Response, src *source, err error) (*http.Response, error) {
	x.cancel()
	resp.Body.Close()
	result := x.result(src, err)
	if gone := x.client.Context().Err(); gone != nil {
		x.t.told(x.client, result)
		return nil, gone
	}
	var refusal *Error
	if !errors.As(err, &refusal) {
		refusal = cutOff(err).said
	}
	result.Status = refusal.Status
	x.t.told(x.client, result)
	answer := refusalAnswer(x.client, x.req, refusal)
	passHeaders(answer.Header, resp.Header)
	return answer, nil
}

// stream answers a client that wants a stream: once there is a word of the answer,
// or after a while.
func (x *exchange) stream(resp *http.Response, src *source) (*http.Response, error) {
	b := &streamBody{src: src, upstream: resp.Body, cancel: x.cancel, begun: make(chan struct{})}
	if x.req.API == ChatCompletions {
		b.frames = newChatStream(src, x.req)
	} else {
		b.frames = newResponsesStream(src, x.req)
	}
	b.report = func(err error) { x.t.told(x.client, x.result(src, err)) }
	go b.begin()
	hold := time.NewTimer(holdHeaders)
	defer hold.Stop()
	select {
	case <-x.client.Context().Done():
		x.cancel()
		resp.Body.Close()
		<-b.begun
		return x.failed(resp, src, x.client.Context().Err())
	case <-b.begun:
		var broken *broken
		if errors.As(b.err, &broken) && !src.answer.working {
			return x.failed(resp, src, b.err)
		}
	case <-hold.C:
	}
	return x.answer(resp, "text/event-stream; charset=utf-8", b, -1), nil
}

// answer is a good answer, or the beginning of one.
func (x *exchange) answer(resp *http.Response, contentType string, body io.ReadCloser, length int64) *http.Response {
	out := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}, "Cache-Control": {"no-cache"}}, Body: body, ContentLength: length, Request: x.client,
	}
	if length >= 0 {
		out.Header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	passHeaders(out.Header, resp.Header)
	nameDropped(out.Header, x.req)
	return out
}

// remember keeps a whole answer, before its client can ask for it.
func (x *exchange) remember(a *reply) {
	if x.req.API == Responses {
		x.recall.Remember(x.req, a.id, a.output())
	}
}
