package broker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"codexauth/sandbox"
)

func TestPassesThrough(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/v1/responses", "/backend-api/codex/responses"} {
		status, text, h := r.ask("POST", path, prompt)
		if status != 200 || !strings.Contains(text, "response.completed") || h.Get("X-Codex-Plan-Type") != "plus" {
			t.Errorf("%s: %d %v %s", path, status, h, text)
		}
	}
	for _, path := range []string{"/v1/models?client_version=1.2.3", "/backend-api/codex/models"} {
		status, text, _ := r.ask("GET", path, "")
		if status != 200 || !strings.Contains(text, `"gpt-sandbox"`) {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text, _ := r.ask("POST", "/backend-api/codex/responses", `{"model":"gpt-sandbox","input":[],"store":true}`); status != 400 || !strings.Contains(text, "Store must be set to false") {
		t.Errorf("the backend's own refusal: %d %s", status, text)
	}
	if c := r.sandbox.Counters(); c.RefreshRequests != 0 {
		t.Errorf("%d refreshes", c.RefreshRequests)
	}
}

// Ten requests with a token that the backend no longer takes cost one refresh,
// and none of them sees the 401, with a body of known length or without.
func TestRecoversFromA401(t *testing.T) {
	r := newRig(t, nil)
	r.token()
	r.sandbox.ExpireAccessTokens()
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			req := r.request("POST", "/backend-api/codex/responses", prompt)
			if i%2 == 0 {
				req.ContentLength, req.Body, req.GetBody = -1, io.NopCloser(strings.NewReader(prompt)), nil
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), "response.completed") {
				t.Errorf("%d %v %s", resp.StatusCode, err, text)
			}
		})
	}
	all.Wait()
	if c := r.sandbox.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", c.Refreshes, c.Reuses)
	}
	r.must(r.sandbox.SetFaults(sandbox.Fault{Name: "backend-unauthorized"}))
	before := r.sandbox.Counters().BackendRequests
	if status, text, _ := r.ask("POST", "/backend-api/codex/responses", prompt); status != 401 || !strings.Contains(text, "token_expired") {
		t.Errorf("a backend that always refuses: %d %s", status, text)
	}
	if n := r.sandbox.Counters().BackendRequests - before; n > 2 {
		t.Errorf("it was asked %d times", n)
	}
}

// A body that is too long to be kept is streamed all the same; its 401 is the
// client's.
func TestLongBodyIsNotKept(t *testing.T) {
	var bodies []int
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		bodies = append(bodies, int(n))
		w.WriteHeader(401)
	}, func(c *Config) { c.ReplayBody = 1000 })
	for _, n := range []int{1000, 1001} {
		if status, _, _ := r.ask("POST", "/backend-api/codex/responses", strings.Repeat("x", n)); status != 401 {
			t.Errorf("status %d", status)
		}
	}
	// The first token is refused twice, with a refresh between.
	if fmt.Sprint(bodies) != "[1000 1000 1001]" {
		t.Errorf("the backend saw bodies of %v bytes", bodies)
	}
}

func TestReplayReaders(t *testing.T) {
	src, feed := io.Pipe()
	all := &budget{limit: 1000}
	r := newReplay(src, 100, all)
	first := &replayReader{replay: r}
	go feed.Write([]byte("abc"))
	buf := make([]byte, 10)
	if n, err := first.Read(buf); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	pending := make(chan error)
	go func() { _, err := first.Read(make([]byte, 10)); pending <- err }()
	// The second reader begins while the first one may still wait for the source:
	// what that one gets belongs to the second.
	second, err := r.again()
	if err != nil {
		t.Fatal(err)
	}
	go func() { feed.Write([]byte("def")); feed.Close() }()
	if text, err := io.ReadAll(second); string(text) != "abcdef" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	if err := wait(t, pending, "the first reader"); !errors.Is(err, errSuperseded) {
		t.Errorf("the first reader: %v", err)
	}
	r.drop()
	if _, err := r.again(); !errors.Is(err, errNoReplay) {
		t.Errorf("after drop: %v", err)
	}
	if n := all.used.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// What a client sends about itself stays here; what the backend sends about
// itself stays there.
func TestHeadersThatDoNotPass(t *testing.T) {
	seen := make(chan *http.Request, 1)
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		h := w.Header()
		h.Set("Set-Cookie", "__cf_bm=secret")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Clear-Site-Data", "*")
		h.Set("Connection", "X-Hop")
		h.Set("X-Hop", "1")
		h.Set("X-Codex-Thing", "kept")
		h.Set("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(200)
	})
	_, _, h := r.ask("POST", "/backend-api/codex/responses", prompt,
		"Cookie", "a=b", "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Prefix", "/x", "Forwarded", "for=1.2.3.4", "X-Real-Ip", "1.2.3.4",
		"Chatgpt-Account-Id", "somebody-else", "X-Openai-Fedramp", "true", "Connection", "authorization, chatgpt-account-id, x-mine",
		"X-Mine", "1", "Proxy-Authorization", "Basic eDp5", "Referer", "http://a/b", "Upgrade", "h2c", "Originator", "my_agent", "X-Kept", "yes")
	got := <-seen
	token, err := r.manager.Token(t.Context())
	r.must(err)
	if got.Header.Get("Authorization") != "Bearer "+token.AccessToken.Reveal() || got.Header.Get("Chatgpt-Account-Id") != token.AccountID {
		t.Error("the credentials are not the Manager's")
	}
	for _, name := range []string{"Cookie", "X-Forwarded-For", "X-Forwarded-Prefix", "X-Forwarded-Host", "Forwarded", "X-Real-Ip",
		"X-Openai-Fedramp", "X-Mine", "Proxy-Authorization", "Referer", "Upgrade", "Connection"} {
		if v := got.Header.Get(name); v != "" {
			t.Errorf("%s: %s reached the backend", name, v)
		}
	}
	if got.Header.Get("Originator") != "my_agent" || got.Header.Get("X-Kept") != "yes" || got.Host == r.addr {
		t.Errorf("headers %v, host %s", got.Header, got.Host)
	}
	if strings.Contains(fmt.Sprint(got.Header), r.key) {
		t.Error("the client's key reached the backend")
	}
	for _, name := range []string{"Set-Cookie", "Access-Control-Allow-Origin", "Clear-Site-Data", "X-Hop"} {
		if v := h.Get(name); v != "" {
			t.Errorf("%s: %s reached the client", name, v)
		}
	}
	if h.Get("X-Codex-Thing") != "kept" {
		t.Errorf("headers %v", h)
	}
}

// What a server behind the backend's gateway may take for another path, host,
// method or client than those that the broker has checked does not pass, however
// it is spelled.
func TestHeadersThatMeanAnotherRequestDoNotPass(t *testing.T) {
	seen := make(chan http.Header, 1)
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header })
	var sent []string
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL",
		"X-Host", "X-Forwarded", "X-Forwarded-Host", "X-Forwarded-Uri", "X_Forwarded_For", "x_original_url", "Authorization_", "chatgpt_account_id",
		"Chatgpt.Account.Id", "X-Envoy-Original-Path", "Transfer_Encoding", "X-Kept~"} {
		sent = append(sent, name, "planted")
	}
	kept := map[string]string{"Session_id": "1", "Conversation_id": "2", "X-Client-Request-Id": "3", "Openai-Beta": "4"}
	for name, value := range kept {
		sent = append(sent, name, value)
	}
	if status, _, _ := r.ask("POST", "/backend-api/codex/responses", prompt, sent...); status != 200 {
		t.Fatal(status)
	}
	got := <-seen
	for name, values := range got {
		if values[0] == "planted" {
			t.Errorf("%s reached the backend", name)
		}
	}
	for name, value := range kept {
		if got.Get(name) != value && (got[name] == nil || got[name][0] != value) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestTrailersDoNotPass(t *testing.T) {
	seen := make(chan http.Header, 1)
	r := newRig(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		seen <- r.Trailer
	})
	req := r.request("POST", "/backend-api/codex/responses", prompt)
	req.ContentLength, req.Trailer = -1, http.Header{"X-Forwarded-For": {"1.2.3.4"}}
	r.send(req)
	if got := <-seen; len(got) != 0 {
		t.Errorf("the backend got %v", got)
	}
}

func TestRedirectIsNeitherFollowedNorPassedOn(t *testing.T) {
	var elsewhere sync.Map
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere.Store("asked", r.URL.Path) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		r := newRig(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		got, text, h := r.ask("POST", "/backend-api/codex/responses", prompt)
		if got != 502 || !strings.Contains(text, "upstream_redirect") || h.Get("Location") != "" {
			t.Errorf("%d: %d %v %s", status, got, h, text)
		}
	}
	if _, asked := elsewhere.Load("asked"); asked {
		t.Error("a redirect was followed")
	}
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) })
	if got, _, _ := r.ask("GET", "/backend-api/codex/models", "", "If-None-Match", `"x"`); got != 304 {
		t.Errorf("304 became %d", got)
	}
}

// The Manager's transport is the second line: no other origin gets a bearer even
// if the Server is configured for one.
func TestBearerReachesNoOtherOrigin(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer other.Close()
	r := newRig(t, nil, func(c *Config) { c.Backend = other.URL + "/backend-api/codex" })
	if status, _, _ := r.ask("GET", "/v1/models", ""); status != 503 || asked {
		t.Errorf("status %d, asked %v", status, asked)
	}
}
