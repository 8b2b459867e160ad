package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const modelList = `{"models":[{"slug":"gpt-5.5","visibility":"list","supported_in_api":true,"supported_reasoning_levels":[{"effort":"low"},{"effort":"medium"}],"supports_reasoning_summary_parameter":true,"support_verbosity":true,"input_modalities":["text"]}]}`

// fakeBackend is a RoundTripper that stands in for the backend.
type fakeBackend struct {
	mu     sync.Mutex
	asked  []*http.Request
	bodies []string
	lists  int
	answer func(*http.Request) (*http.Response, error) // to /responses
	models func(*http.Request) (*http.Response, error)
}

func (b *fakeBackend) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/models") {
		b.mu.Lock()
		b.lists++
		b.mu.Unlock()
		if b.models != nil {
			return b.models(req)
		}
		return answered(200, modelList, "Etag", `"1"`), nil
	}
	body, _ := io.ReadAll(req.Body)
	b.mu.Lock()
	b.asked, b.bodies = append(b.asked, req), append(b.bodies, string(body))
	b.mu.Unlock()
	return b.answer(req)
}

func answered(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func says(sse string, headers ...string) *fakeBackend {
	return &fakeBackend{answer: func(*http.Request) (*http.Response, error) { return answered(200, sse, headers...), nil }}
}

// piped is a backend's answer that the test writes as it goes. As with a real
// connection, reading ends with the request's context.
func piped() (*fakeBackend, *io.PipeWriter) {
	r, w := io.Pipe()
	return &fakeBackend{answer: func(req *http.Request) (*http.Response, error) {
		context.AfterFunc(req.Context(), func() { w.CloseWithError(req.Context().Err()) })
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: r}, nil
	}}, w
}

type told struct {
	mu  sync.Mutex
	all []Result
}

func (l *told) add(_ *http.Request, r Result) {
	l.mu.Lock()
	l.all = append(l.all, r)
	l.mu.Unlock()
}

func (l *told) one(t *testing.T) Result {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) != 1 {
		t.Fatalf("told %d times: %+v", len(l.all), l.all)
	}
	return l.all[0]
}

func transportTo(b http.RoundTripper) (*Transport, *told) {
	l := &told{}
	tr := NewTransport(b, "https://backend.example/codex/")
	tr.OnResult = l.add
	return tr, l
}

func post(ctx context.Context, path, body string) *http.Request {
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://anything.example"+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer the-client's-own")
	req.Header.Set("X-Stainless-Lang", "js")
	req.Header.Set("Session_id", "s1")
	return req
}

const (
	chatAsk      = `{"model":"gpt-5.5","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"stream":true}`
	chatAskOnce  = `{"model":"gpt-5.5","messages":[{"role":"user","content":"hi"}]}`
	responsesAsk = `{"model":"gpt-5.5","input":"hi","stream":true}`
)

func read(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v after %s", err, b)
	}
	resp.Body.Close()
	return string(b)
}

func TestTransportStreamsAChat(t *testing.T) {
	b := says(stream(t, "061-output-empty"), "X-Request-Id", "req_9", "X-Codex-Primary-Used-Percent", "12", "Set-Cookie", "a=b")
	tr, l := transportTo(b)
	resp, err := tr.RoundTrip(post(t.Context(), "/some/base/v1/chat/completions", chatAsk))
	sum := sumChat(t, read(t, resp, err))
	want(t, "text", sum.content, "Hello \"you\"\n– ünï 👍")
	want(t, "dropped", resp.Header.Get("x-codexauth-dropped"), "max_tokens")
	want(t, "request id", resp.Header.Get("x-request-id"), "req_9")
	want(t, "quota", resp.Header.Get("x-codex-primary-used-percent"), "12")
	want(t, "cookie", resp.Header.Get("Set-Cookie"), "")
	up := b.asked[0]
	want(t, "URL", up.URL.String(), "https://backend.example/codex/responses")
	want(t, "the client's key", up.Header.Get("Authorization"), "")
	want(t, "the SDK's name", up.Header.Get("X-Stainless-Lang"), "")
	want(t, "session", up.Header.Get("Session_id"), "s1")
	if !strings.Contains(b.bodies[0], `"store":false`) || up.GetBody == nil {
		t.Error(b.bodies[0])
	}
	r := l.one(t)
	want(t, "result", r, Result{API: ChatCompletions, Model: "gpt-5.5", Dropped: []string{"max_tokens"}, Status: 200, Ended: Completed, ResponseID: "resp_1", Usage: Usage{20, 8, 12, 4}})
}

func TestTransportAnswersAtOnce(t *testing.T) {
	tr, l := transportTo(says(stream(t, "062-tool-call-output-empty")))
	resp, err := tr.RoundTrip(post(t.Context(), "/v1/chat/completions", chatAskOnce))
	var a map[string]any
	if json.Unmarshal([]byte(read(t, resp, err)), &a) != nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatal(resp.Header)
	}
	answerCall("get_weather", `{"city":"Paris"}`)(t, a)
	want(t, "ended", l.one(t).Ended, Completed)
}

// mcp-handley-lab#351: who says nothing of a stream gets none, but one JSON object.
func TestNoStreamUnlessAskedFor(t *testing.T) {
	for path, ask := range map[string]string{
		"/v1/chat/completions": `{"model":"gpt-5.5","messages":[{"role":"user","content":"hi"}]}`,
		"/v1/responses":        `{"model":"gpt-5.5","input":"hi","stream":null}`,
	} {
		tr, _ := transportTo(says(stream(t, "092-plain")))
		resp, err := tr.RoundTrip(post(t.Context(), path, ask))
		var a map[string]any
		if text := read(t, resp, err); json.Unmarshal([]byte(text), &a) != nil || a["id"] == nil || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v %s", path, resp.Header, text)
		}
	}
}

// What the backend says before its first word becomes an HTTP status; on every way.
func TestEarlyFailureIsAStatus(t *testing.T) {
	for _, c := range []struct {
		stream string
		status int
	}{{"086-overloaded-first", 503}, {"088-failed-first", 503}, {"104-usage-limit-first", 429}, {"085-cut-before-output", 502}, {"210-html", 502}} {
		for path, ask := range map[string]string{"/v1/chat/completions": chatAsk, "/v1/responses": responsesAsk, "/chat/completions": chatAskOnce} {
			tr, l := transportTo(says(stream(t, c.stream)))
			resp, err := tr.RoundTrip(post(t.Context(), path, ask))
			body := read(t, resp, err)
			var shape struct {
				Error struct{ Code, Message string }
			}
			if resp.StatusCode != c.status || json.Unmarshal([]byte(body), &shape) != nil || shape.Error.Code == "" || shape.Error.Message == "" {
				t.Errorf("%s %s: %d %s", c.stream, path, resp.StatusCode, body)
			}
			want(t, "status told", l.one(t).Status, c.status)
		}
	}
}

// After the first word the body breaks, after an error of the route's own shape.
func TestLateFailureBreaksTheBody(t *testing.T) {
	for _, name := range []string{"082-cut-clean-eof", "083-cut-half-an-event", "089-bare-error-late", "091-failed-late", "222-flat-error-late"} {
		for path, ask := range map[string]string{"/v1/chat/completions": chatAsk, "/v1/responses": responsesAsk} {
			tr, l := transportTo(says(stream(t, name)))
			resp, err := tr.RoundTrip(post(t.Context(), path, ask))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || !isBroken(err) || !strings.Contains(string(got), `"error":{"message"`) {
				t.Errorf("%s %s: %d %v %s", name, path, resp.StatusCode, err, got)
			}
			if again, err2 := resp.Body.Read(make([]byte, 1)); again != 0 || err2 != err {
				t.Errorf("a second look: %d %v", again, err2)
			}
			resp.Body.Close()
			if ended := l.one(t).Ended; ended != Failed && ended != Interrupted {
				t.Error(ended)
			}
		}
	}
}

// A refusal of the backend, and our own, in OpenAI's shape.
func TestRefusals(t *testing.T) {
	b := &fakeBackend{answer: func(*http.Request) (*http.Response, error) {
		return answered(429, `{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_in_seconds":60}}`, "X-Request-Id", "req_1"), nil
	}}
	tr, l := transportTo(b)
	resp, err := tr.RoundTrip(post(t.Context(), "/v1/responses", responsesAsk))
	read(t, resp, err)
	want(t, "status", resp.StatusCode, 429)
	want(t, "retry-after", resp.Header.Get("Retry-After"), "60")
	want(t, "x-should-retry", resp.Header.Get("x-should-retry"), "false")
	want(t, "request id", resp.Header.Get("x-request-id"), "req_1")
	want(t, "ended", l.one(t).Ended, Refused)
	for path, status := range map[string]int{"/v1/embeddings": 404, "/v1/responses/resp_1/cancel": 404, "/v1/responses/input_tokens": 404, "/v1/models": 405} {
		resp, err := tr.RoundTrip(post(t.Context(), path, `{}`))
		if body := read(t, resp, err); resp.StatusCode != status || !strings.Contains(body, `"error":{`) || !strings.Contains(body, "/v1/chat/completions") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	resp, err = tr.RoundTrip(post(t.Context(), "/v1/chat/completions", `{"model":"gpt-5.5","messages":[],"n":2}`))
	if body := read(t, resp, err); resp.StatusCode != 400 || !strings.Contains(body, `"param"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	if len(b.asked) != 1 {
		t.Errorf("the backend was asked %d times", len(b.asked))
	}
	broken := errors.New("no way to the backend")
	tr.Base = &fakeBackend{answer: func(*http.Request) (*http.Response, error) { return nil, broken }}
	if _, err := tr.RoundTrip(post(t.Context(), "/v1/responses", responsesAsk)); !errors.Is(err, broken) {
		t.Errorf("an error on the way is the caller's: %v", err)
	}
}

// Headers wait for the first word, and not for ever.
func TestHeadersWaitForTheFirstWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w := piped()
		tr, _ := transportTo(b)
		whole := stream(t, "092-plain")
		created := whole[:strings.Index(whole, "event: response.output_item.added")]
		go func() {
			io.WriteString(w, created)
			time.Sleep(14 * time.Second)
			io.WriteString(w, whole[len(created):])
			w.Close()
		}()
		start := time.Now()
		resp, err := tr.RoundTrip(post(t.Context(), "/v1/responses", responsesAsk))
		want(t, "waited", time.Since(start), 14*time.Second)
		checkResponses(t, read(t, resp, err), true)
	})
	synctest.Test(t, func(t *testing.T) {
		b, w := piped()
		tr, l := transportTo(b)
		go func() {
			time.Sleep(time.Minute)
			io.WriteString(w, stream(t, "086-overloaded-first"))
			w.Close()
		}()
		start := time.Now()
		resp, err := tr.RoundTrip(post(t.Context(), "/v1/chat/completions", chatAsk))
		if err != nil {
			t.Fatal(err)
		}
		want(t, "waited", time.Since(start), holdHeaders)
		got, err := io.ReadAll(resp.Body)
		if !isBroken(err) || !strings.Contains(string(got), "server_is_overloaded") {
			t.Errorf("%v %s", err, got)
		}
		resp.Body.Close()
		want(t, "ended", l.one(t).Ended, Failed)
	})
}

// A client that goes ends the backend's work: by its context or by closing, before
// the first word or after.
func TestClientThatGoesEndsTheRequest(t *testing.T) {
	part := func(t *testing.T) string {
		s := stream(t, "092-plain")
		return s[:strings.Index(s, "event: response.output_text.done")]
	}
	synctest.Test(t, func(t *testing.T) { // its context, before
		b, _ := piped()
		tr, l := transportTo(b)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if _, err := tr.RoundTrip(post(ctx, "/v1/chat/completions", chatAsk)); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if b.asked[0].Context().Err() == nil {
			t.Error("the backend works on")
		}
		want(t, "ended", l.one(t).Ended, Cancelled)
	})
	synctest.Test(t, func(t *testing.T) { // its context, before, where no stream is wanted
		b, _ := piped()
		tr, l := transportTo(b)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := tr.RoundTrip(post(ctx, "/v1/chat/completions", chatAskOnce)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		want(t, "ended", l.one(t).Ended, Cancelled)
	})
	for _, close := range []bool{true, false} { // after, while it reads
		synctest.Test(t, func(t *testing.T) {
			b, w := piped()
			tr, l := transportTo(b)
			go io.WriteString(w, part(t))
			ctx, cancel := context.WithCancel(t.Context())
			resp, err := tr.RoundTrip(post(ctx, "/v1/chat/completions", chatAsk))
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Second, func() {
				if close {
					resp.Body.Close()
				} else {
					cancel()
				}
			})
			start := time.Now()
			_, err = io.ReadAll(resp.Body)
			if err == nil || time.Since(start) != time.Second || b.asked[0].Context().Err() == nil {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			resp.Body.Close()
			cancel()
			want(t, "ended", l.one(t).Ended, Cancelled)
		})
	}
}

// A client that has its end and goes was served.
func TestClientThatGoesAfterTheEndWasServed(t *testing.T) {
	tr, l := transportTo(says(stream(t, "092-plain")))
	resp, err := tr.RoundTrip(post(t.Context(), "/v1/chat/completions", chatAsk))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for buf := make([]byte, 100); !strings.Contains(got.String(), "[DONE]"); {
		n, _ := resp.Body.Read(buf)
		got.Write(buf[:n])
	}
	resp.Body.Close()
	want(t, "ended", l.one(t).Ended, Completed)
}
