package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"codexauth/openai"
	"codexauth/sandbox"
)

const (
	chatPath      = "/v1/chat/completions"
	responsesPath = "/v1/responses"
)

// chatAsk is a chat request with these words, streamed or not.
func chatAsk(words string, more ...string) string {
	return fmt.Sprintf(`{"model":"gpt-5.5","messages":[{"role":"user","content":%q}]%s}`, words, strings.Join(append([]string{""}, more...), ","))
}

// responsesAsk is the same for Responses.
func responsesAsk(words string, more ...string) string {
	return fmt.Sprintf(`{"model":"gpt-5.5","input":%q%s}`, words, strings.Join(append([]string{""}, more...), ","))
}

const streamed = `"stream":true`

// refused reads an error of OpenAI's API as an SDK does.
func refused(t *testing.T, text string) (code, param string) {
	t.Helper()
	var body struct {
		Error struct {
			Message, Type string
			Param         *string
			Code          *string
		}
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil || body.Error.Message == "" || body.Error.Type == "" || body.Error.Code == nil {
		t.Fatalf("no error of OpenAI's API: %s", text)
	}
	if body.Error.Param != nil {
		param = *body.Error.Param
	}
	return *body.Error.Code, param
}

// Each call, streamed and not, for a client that knows nothing of the backend.
func TestPublicAPI(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct{ method, path, body, want, contentType string }{
		{"POST", chatPath, chatAsk("one two"), `"object":"chat.completion"`, "application/json"},
		{"POST", chatPath, chatAsk("one two", streamed), "data: [DONE]", "text/event-stream; charset=utf-8"},
		{"POST", chatPath, chatAsk("sandbox: tool f {}", `"tools":[{"type":"function","function":{"name":"f"}}]`), `"finish_reason":"tool_calls"`, "application/json"},
		{"POST", responsesPath, responsesAsk("one two"), `"object":"response"`, "application/json"},
		{"POST", responsesPath, responsesAsk("one two", streamed), "event: response.completed", "text/event-stream; charset=utf-8"},
		{"POST", responsesPath + "/compact", responsesAsk("one two"), `"output"`, "application/json"},
		{"GET", "/v1/models", "", `"object":"list"`, "application/json"},
		{"GET", "/v1/models/gpt-5.5", "", `"id":"gpt-5.5"`, "application/json"},
		{"GET", "/v1/models/openai/gpt-5.5", "", `"id":"gpt-5.5"`, "application/json"},
	} {
		status, text, h := r.ask(tt.method, tt.path, tt.body)
		if status != 200 || !strings.Contains(text, tt.want) || h.Get("Content-Type") != tt.contentType {
			t.Errorf("%s %s: %d %v %s", tt.path, tt.body, status, h, text)
		}
	}
	resp := r.send(r.request("HEAD", "/v1/models", ""))
	if resp.StatusCode != 200 || resp.ContentLength < 100 {
		t.Errorf("HEAD: %v", resp)
	}
}

// What is not there is a 404 that says what is.
func TestNothingElseIsThere(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/v1/embeddings", "/v1/completions", "/v1/responses/resp_1", "/v1/responses/resp_1/cancel", "/v1/responses/input_tokens",
		"/v1/x/chat/completions", "/v1/models/", "/v1/chat", "/v1/"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			status, text, h := r.ask(method, path, "")
			if code, _ := refused(t, text); status != 404 || code != "unknown_url" || !strings.Contains(text, chatPath) || h.Get("X-Should-Retry") != "false" {
				t.Errorf("%s %s: %d %s", method, path, status, text)
			}
		}
	}
	for path, allow := range map[string]string{chatPath: "POST", responsesPath: "POST", "/v1/models": "GET, HEAD"} {
		method := "GET"
		if path == "/v1/models" {
			method = "DELETE"
		}
		status, text, h := r.ask(method, path, "")
		if code, _ := refused(t, text); status != 405 || code != "method_not_allowed" || h.Get("Allow") != allow {
			t.Errorf("%s %s: %d %v %s", method, path, status, h, text)
		}
	}
	if _, text, _ := r.ask("POST", "/chat/completions", "{}"); !strings.Contains(text, "base URL") {
		t.Errorf("a base URL without /v1: %s", text)
	}
	if n := r.sandbox.Counters().BackendRequests; n != 0 {
		t.Errorf("%d requests reached the backend", n)
	}
}

// The broker's own refusals are such as the SDKs read: a code, and whether and when
// to ask again.
func TestRefusalsOfThePublicAPI(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.MaxBody = 1000 })
	rated := r.addKey("rated", func(k *Key) { k.Rate = Rate{N: 1, Per: time.Hour} })
	paths := r.addKey("paths", func(k *Key) { k.Paths = []string{"/v1/models"} })
	r.ask("POST", chatPath, chatAsk("x"), "Authorization", "Bearer "+rated)
	long := strings.Repeat("x", 1001)
	for _, tt := range []struct {
		key, body   string
		status      int
		code        string
		retry, when string
	}{
		{"", chatAsk("x"), 401, "unauthorized", "false", ""},
		{"wrong", chatAsk("x"), 401, "unauthorized", "false", ""},
		{rated, chatAsk("x"), 429, "rate_limit_exceeded", "", "3600"},
		{paths, chatAsk("x"), 403, "path_refused", "false", ""},
		{r.key, chatAsk(long), 413, "too_large", "false", ""},
	} {
		for _, path := range []string{chatPath, responsesPath} {
			auth := ""
			if tt.key != "" {
				auth = "Bearer " + tt.key
			}
			status, text, h := r.ask("POST", path, tt.body, "Authorization", auth)
			if code, _ := refused(t, text); status != tt.status || code != tt.code || h.Get("X-Should-Retry") != tt.retry || (h.Get("Retry-After") == "") != (tt.when == "") {
				t.Errorf("%s: %d %v %s", tt.code, status, h, text)
			}
		}
	}
	req := r.request("POST", chatPath, chatAsk(long))
	req.ContentLength, req.Body, req.GetBody = -1, io.NopCloser(strings.NewReader(chatAsk(long))), nil
	resp := r.send(req)
	text, _ := io.ReadAll(resp.Body)
	if code, _ := refused(t, string(text)); resp.StatusCode != 413 || code != "too_large" {
		t.Errorf("without a length: %s %s", resp.Status, text)
	}
	if code, _ := refused(t, r.compressed()); code != "unsupported_content_encoding" {
		t.Error(code)
	}
}

// compressed sends what says that it is compressed, and less of it than it says.
func (r *rig) compressed() string {
	answer := r.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Encoding: zstd\r\nContent-Length: 500\r\n\r\nabc", chatPath, r.addr, r.key))
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	return body
}

// What the backend says before its first word is an HTTP status; after that the
// answer is broken for the client, never whole.
func TestFailuresOfTheBackend(t *testing.T) {
	r := newRig(t, nil)
	for _, tt := range []struct {
		script string
		status int
		code   string
		retry  string
	}{
		{"fail overloaded", 503, "server_is_overloaded", ""},
		{"error server_is_overloaded", 503, "server_is_overloaded", ""},
		{"limit 3600", 429, "usage_limit_reached", "false"},
		{"fail limit", 429, "usage_limit_reached", "false"},
		{"fail context", 400, "context_length_exceeded", ""},
		{"cut", 502, "", ""},
		{"end", 502, "stream_interrupted", ""},
		{"html 503", 503, "", ""},
	} {
		for _, ask := range []func() (int, string, http.Header){
			func() (int, string, http.Header) {
				return r.ask("POST", chatPath, chatAsk("sandbox: "+tt.script, streamed))
			},
			func() (int, string, http.Header) { return r.ask("POST", chatPath, chatAsk("sandbox: "+tt.script)) },
			func() (int, string, http.Header) {
				return r.ask("POST", responsesPath, responsesAsk("sandbox: "+tt.script, streamed))
			},
		} {
			status, text, h := ask()
			code, _ := refused(t, text)
			if status != tt.status || tt.code != "" && code != tt.code || h.Get("X-Should-Retry") != tt.retry {
				t.Errorf("%s: %d %v %s", tt.script, status, h, text)
			}
			if status == 429 && h.Get("Retry-After") == "" || status == 503 && tt.code != "" && h.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", tt.script)
			}
		}
	}
	for _, script := range []string{"text one; cut", "text one; end", "text one; half", "text one; fail overloaded"} {
		for path, body := range map[string]string{chatPath: chatAsk("sandbox: "+script, streamed), responsesPath: responsesAsk("sandbox: "+script, streamed)} {
			resp := r.send(r.request("POST", path, body))
			text, err := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(string(text), `"error":{"`) || strings.Contains(string(text), "[DONE]") {
				t.Errorf("%s on %s: %v %s", script, path, err, text)
			}
		}
		if status, text, _ := r.ask("POST", chatPath, chatAsk("sandbox: "+script)); status < 500 {
			t.Errorf("%s, not streamed: %d %s", script, status, text)
		}
	}
}

// A 401 is recovered from before the client hears of it, by one refresh.
func TestPublicAPIRecoversFromA401(t *testing.T) {
	r := newRig(t, nil)
	r.sandbox.ExpireAccessTokens()
	for _, body := range []string{chatAsk("x", streamed), chatAsk("x")} {
		if status, text, _ := r.ask("POST", chatPath, body); status != 200 {
			t.Errorf("%d %s", status, text)
		}
	}
	if c := r.sandbox.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%+v", c)
	}
}

// What a key was answered is not another key's to refer to, nor that of a new key
// under its name.
func TestMemoryIsApartForEachKey(t *testing.T) {
	r := newRig(t, nil, func(c *Config) { c.Memory = openai.NewMemory(1<<20, time.Hour) })
	other := r.addKey("other", nil)
	status, text, _ := r.ask("POST", responsesPath, responsesAsk("remember me"))
	var answer struct{ ID string }
	if err := json.Unmarshal([]byte(text), &answer); status != 200 || err != nil || answer.ID == "" {
		t.Fatalf("%d %s", status, text)
	}
	goOn := func(key string) (int, string) {
		status, text, _ := r.ask("POST", responsesPath, responsesAsk("and?", fmt.Sprintf(`"previous_response_id":%q`, answer.ID)), "Authorization", "Bearer "+key)
		return status, text
	}
	if status, text := goOn(r.key); status != 200 {
		t.Errorf("its own: %d %s", status, text)
	}
	if status, text := goOn(other); status != 400 || strings.Contains(text, "remember me") {
		t.Errorf("another's: %d %s", status, text)
	}
	r.keys.Revoke("plain")
	if status, text := goOn(r.addKey("plain", nil)); status != 400 || strings.Contains(text, "remember me") {
		t.Errorf("an old name's: %d %s", status, text)
	}
	r = newRig(t, nil)
	if status, text, _ := r.ask("POST", responsesPath, responsesAsk("x", `"previous_response_id":"resp_1"`)); status != 400 {
		t.Errorf("without a memory: %d %s", status, text)
	}
}

// A key that is revoked in the middle of an answer ends it, here and at the backend.
func TestRevokedInMidAnswer(t *testing.T) {
	for _, body := range []string{chatAsk("sandbox: text one; wait 1h; text two", streamed), chatAsk("sandbox: wait 1h; text two", streamed), chatAsk("sandbox: text one; wait 1h")} {
		r := newRig(t, nil)
		answered := make(chan string)
		go func() {
			req := r.request("POST", chatPath, body)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				answered <- err.Error()
				return
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			answered <- fmt.Sprint(resp.StatusCode, " ", err, " ", string(text))
		}()
		for r.sandbox.Counters().BackendRequests < 2 { // the list of models, and this
			time.Sleep(time.Millisecond)
		}
		r.keys.Revoke("plain")
		if got := wait(t, answered, "the end"); !strings.Contains(got, "unexpected EOF") && !strings.HasPrefix(got, "401 ") {
			t.Errorf("%s became %s", body, got)
		}
	}
}

// A client that goes ends the backend's work at once: before the first word, after
// it, and where it wants no stream.
func TestClientThatGoes(t *testing.T) {
	const soon = 100 * time.Millisecond
	for name, script := range map[string]string{"before": "wait 1h; text x", "after": "text x; wait 1h"} {
		for _, more := range []string{streamed, `"stream":false`} {
			begun, ended := make(chan struct{}, 10), make(chan time.Time, 10)
			r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
				if strings.HasSuffix(req.URL.Path, "/models") {
					http.NotFound(w, req)
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				if name == "after" {
					fmt.Fprint(w, textEvents)
				}
				_ = http.NewResponseController(w).Flush()
				begun <- struct{}{}
				<-req.Context().Done()
				ended <- time.Now()
			})
			ctx, cancel := context.WithCancel(t.Context())
			req := r.request("POST", chatPath, chatAsk(script, more)).WithContext(ctx)
			failed := make(chan error, 1)
			go func() {
				resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				failed <- err
			}()
			wait(t, begun, "the request at the backend")
			left := time.Now()
			cancel()
			took := wait(t, ended, "the end at the backend").Sub(left)
			if t.Logf("%s the first word, %s: ended after %v", name, more, took); took > 50*soon { // a busy machine is no fault
				t.Errorf("%s, %s: the backend worked on for %v", name, more, took)
			}
			if err := wait(t, failed, "the client"); err == nil {
				t.Error("an answer came")
			}
		}
	}
}

const textEvents = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"created_at\":1,\"model\":\"gpt-5.5\",\"output\":[]}}\n\n" +
	"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"word\"}\n\n"

const endEvent = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"created_at\":1,\"model\":\"gpt-5.5\",\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"

// Each event is with the client before the next one leaves the backend.
func TestPublicAPIStreamsEventByEvent(t *testing.T) {
	next := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/models") {
			http.NotFound(w, req)
			return
		}
		fmt.Fprint(w, textEvents)
		for range 5 {
			_ = http.NewResponseController(w).Flush()
			<-next
			fmt.Fprint(w, strings.SplitAfter(textEvents, "\n\n")[1])
		}
		fmt.Fprint(w, endEvent)
	})
	resp := r.send(r.request("POST", chatPath, chatAsk("x", streamed)))
	stream := bufio.NewReader(resp.Body)
	event(t, stream) // the role
	for range 5 {
		if got := event(t, stream); !strings.Contains(got, `"content":"word"`) {
			t.Fatal(got)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(stream); err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("%v %s", err, rest)
	}
}

// Models come from the backend's list, and are not asked for by every client.
func TestModelsAreAskedForOnce(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.sandbox.SetFaults(sandbox.Fault{Name: "backend-unauthorized", Times: 1}))
	for i := range 5 {
		if status, text, _ := r.ask("GET", "/v1/models?client_version="+strconv.Itoa(i), ""); status != 200 || !strings.Contains(text, `"slug":"gpt-5.5"`) || !strings.Contains(text, `"id":"gpt-5.5"`) {
			t.Fatalf("%d %s", status, text)
		}
	}
	if n := r.sandbox.Counters().BackendRequests; n > 2 {
		t.Errorf("%d questions", n)
	}
}
