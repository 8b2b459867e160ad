package sandbox_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/sandbox"
)

// A logWatch keeps a log and lets a test wait for a line.
type logWatch struct {
	mu    sync.Mutex
	text  strings.Builder
	lines chan string
}

func newLogWatch() *logWatch { return &logWatch{lines: make(chan string, 1000)} }

func (l *logWatch) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.lines <- string(p)
	return len(p), nil
}

func (l *logWatch) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logWatch) wait(t *testing.T, part string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case line := <-l.lines:
			if strings.Contains(line, part) {
				return
			}
		case <-deadline:
			t.Fatalf("no log line has %q", part)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, cfg := range []sandbox.Config{
		{Addr: "0.0.0.0:0"}, {Addr: ":0"}, {Addr: "192.0.2.1:0"}, {Addr: "example.test:0"}, {Addr: "127.0.0.1"},
		{Grace: -1}, {RefreshTTL: -1}, {DeviceTTL: -1}, {DeviceInterval: -1},
	} {
		if s, err := sandbox.Start(cfg); err == nil {
			s.Close()
			t.Errorf("%+v was accepted", cfg)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := sandbox.Start(sandbox.Config{Addr: taken.Addr().String()}); err == nil || !strings.Contains(err.Error(), "sandbox: ") {
		t.Errorf("a taken port: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	s := sandbox.New(t, sandbox.Config{Addr: "localhost:0", ControlKey: "k"})
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") || s.BackendURL() != s.URL()+"/backend-api/codex" || s.ControlKey() != "k" {
		t.Errorf("URL %s, backend %s", s.URL(), s.BackendURL())
	}
	six, err := sandbox.Start(sandbox.Config{Addr: "[::1]:0"})
	if err != nil {
		t.Skipf("no IPv6 loopback here: %v", err)
	}
	defer six.Close()
	res, err := http.Get(six.URL() + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("%s answers %d", six.URL(), res.StatusCode)
	}
}

func TestHostMustBeOurs(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(r.URL(), "http://"))
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "LOCALHOST:" + port: 200, "[::1]:" + port: 200,
		"evil.test:" + port: 421, "127.0.0.1": 421, "localhost:1": 421, "127.0.0.1.evil.test:" + port: 421,
	} {
		for _, path := range []string{"/.well-known/openid-configuration", "/"} {
			req, err := http.NewRequest("GET", r.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			res, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("Host %s: %s answers %d, want %d", host, path, res.StatusCode, want)
			}
		}
	}
}

func TestMetadata(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		m := r.get(path).want(t, 200, "").fields(t)
		if m["issuer"] != r.URL() {
			t.Errorf("%s: issuer %v (RFC 8414 §3.3)", path, m["issuer"])
		}
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "revocation_endpoint", "device_authorization_endpoint", "jwks_uri"} {
			endpoint, _ := m[name].(string)
			if res := r.get(strings.TrimPrefix(endpoint, r.URL())); endpoint == "" || res.StatusCode == 404 {
				t.Errorf("%s: nothing at %s %q", path, name, endpoint)
			}
		}
	}
	bare := newRig(t, sandbox.Config{NoDiscovery: true})
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		bare.get(path).want(t, 404, "")
	}
	if c := bare.Counters(); c.DiscoveryRequests != 3 {
		t.Errorf("counters %+v", c)
	}
}

func TestDateFollowsTheClock(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	r.SetClockOffset(-3 * time.Hour)
	date, err := http.ParseTime(r.get("/").Header.Get("Date"))
	if age := time.Since(date); err != nil || age < 179*time.Minute || age > 181*time.Minute {
		t.Errorf("Date %v, %v", date, err)
	}
}

// What goes wrong or right, no token, code or key gets into the log.
func TestLogHoldsNoSecrets(t *testing.T) {
	log := newLogWatch()
	r := newRig(t, sandbox.Config{AutoApprove: true, Log: log.logger()})
	code := r.get(authorizePath()).location(t).Get("code")
	first := r.exchange(code)
	r.exchange(code)
	r.faults("truncate*1", "trailing*1")
	tokens := r.Issue(sandbox.User{})
	r.refresh(tokens.RefreshToken)
	r.refresh(tokens.RefreshToken)
	r.get("/"+tokens.RefreshToken, "Authorization", "Bearer "+tokens.AccessToken)
	r.ask(tokens, prompt)
	id, userCode := r.userCode()
	r.get("/codex/device?user_code=" + userCode)
	r.get("/sandbox/control", "X-Sandbox-Key", r.ControlKey())
	slog.New(slog.NewJSONHandler(log, nil)).Info("tokens", "value", tokens, "pointer", &tokens)
	fmt.Fprintf(log, "%v %+v %#v %s\n", tokens, tokens, &tokens, tokens)

	log.mu.Lock()
	defer log.mu.Unlock()
	text := log.text.String()
	if !strings.Contains(text, `route="POST /oauth/token" status=400`) || !strings.Contains(text, "name=truncate") || !strings.Contains(text, "code=refresh_token_reused") {
		t.Errorf("the log lacks what it is for:\n%s", text)
	}
	for name, secret := range map[string]string{
		"code": code, "refresh token": first.field(t, "refresh_token"), "access token": first.field(t, "access_token"),
		"issued refresh token": tokens.RefreshToken, "issued access token": tokens.AccessToken, "id token": tokens.IDToken,
		"verifier": verifier, "state": "st4te", "device id": id, "user code": userCode, "control key": r.ControlKey(),
	} {
		if strings.Contains(text, secret) {
			t.Errorf("the %s is in the log", name)
		}
	}
}

// A client that leaves in the middle, and Close, leave no goroutine behind.
func TestCloseLeavesNothing(t *testing.T) {
	s, err := sandbox.Start(sandbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetFaults(sandbox.Fault{Name: "latency", Arg: "1h"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	transport := &http.Transport{}
	for range 5 {
		sent := make(chan struct{})
		wg.Go(func() {
			trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}
			body := values("grant_type", "refresh_token", "refresh_token", "x", "client_id", sandbox.DefaultClientID).Encode()
			req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", s.URL()+"/oauth/token", strings.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if res, err := transport.RoundTrip(req); err == nil {
				res.Body.Close()
				t.Errorf("answered %d", res.StatusCode)
			}
		})
		<-sent
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error("closing again:", err)
	}
	wg.Wait()
	transport.CloseIdleConnections()
	// A handler that was waited for may have its last instructions still to run.
	stacks := allStacks()
	for deadline := time.Now().Add(5 * time.Second); strings.Contains(stacks, "sandbox.(*Server)") && time.Now().Before(deadline); stacks = allStacks() {
		runtime.Gosched()
	}
	if strings.Contains(stacks, "sandbox.(*Server)") {
		t.Errorf("goroutines are left:\n%s", stacks)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://")); err == nil {
		t.Error("the port is still open")
	}
}

// A client that sends on while it waits hides from net/http that its connection
// is gone; Close must end its request all the same.
func TestCloseEndsPipelinedRequests(t *testing.T) {
	log := newLogWatch()
	r := newRig(t, sandbox.Config{Log: log.logger()})
	r.faults("hang")
	host := strings.TrimPrefix(r.URL(), "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	form := values("grant_type", "refresh_token", "refresh_token", "x", "client_id", sandbox.DefaultClientID).Encode()
	fmt.Fprintf(conn, "POST /oauth/token HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", host, len(form), form)
	log.wait(t, "name=hang")
	fmt.Fprint(conn, "GET / HTTP/1.1\r\n")
	r.get("/").want(t, 200, "") // time for those bytes to arrive
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits for a hanging request")
	}
}

func allStacks() string {
	stacks := make([]byte, 1<<20)
	return string(stacks[:runtime.Stack(stacks, true)])
}

// A fakeTB stands in for a *testing.T.
type fakeTB struct {
	failed   string
	cleanups []func()
}

func (f *fakeTB) Helper()           {}
func (f *fakeTB) Cleanup(do func()) { f.cleanups = append(f.cleanups, do) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestNew(t *testing.T) {
	var tb fakeTB
	s := sandbox.New(&tb, sandbox.Config{})
	for _, do := range tb.cleanups {
		do()
	}
	if _, err := http.Get(s.URL()); err == nil || len(tb.cleanups) != 1 || tb.failed != "" {
		t.Errorf("after the test: %v, %d cleanups, %q", err, len(tb.cleanups), tb.failed)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		sandbox.New(&tb, sandbox.Config{Addr: "0.0.0.0:0"})
	}()
	<-done
	if !strings.Contains(tb.failed, "not loopback") {
		t.Errorf("failed with %q", tb.failed)
	}
}

func TestControl(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	key := []string{"X-Sandbox-Key", r.ControlKey()}
	post := func(body string) reply {
		return r.do("POST", "/sandbox/control", "application/json", body, key...)
	}
	tokens := post(`{"issue":true,"user":{"email":"a@b.test","plan":"team"},"access_ttl":"90s"}`).want(t, 200, "").fields(t)["tokens"].(map[string]any)
	if tokens["expires_in"] != 90.0 || authClaims(t, tokens["access_token"].(string))["chatgpt_plan_type"] != "team" {
		t.Errorf("issued with %v", tokens["expires_in"])
	}
	state := post(`{"faults":["status=500*1","latency=1ms"],"clock_offset":"-1h"}`).want(t, 200, "").fields(t)
	if fmt.Sprint(state["faults"]) != "[status=500*1 latency=1ms]" || state["clock_offset"] != "-1h0m0s" || state["tokens"] != nil {
		t.Errorf("state %v", state)
	}
	r.refresh(tokens["refresh_token"].(string)).want(t, 500, "")
	state = r.get("/sandbox/control", key...).want(t, 200, "").fields(t)
	counters := state["counters"].(map[string]any)
	if fmt.Sprint(state["faults"]) != "[latency=1ms]" || counters["token_requests"] != 1.0 || counters["faults"] != 2.0 || len(state["known_faults"].([]any)) != len(sandbox.FaultNames()) {
		t.Errorf("state %v", state)
	}
	state = post(`{"clear":true,"reset_counters":true,"revoke_all":true,"expire_access":true}`).want(t, 200, "").fields(t)
	if len(state["faults"].([]any)) != 0 || state["counters"].(map[string]any)["token_requests"] != 0.0 {
		t.Errorf("state %v", state)
	}
	r.refresh(tokens["refresh_token"].(string)).want(t, 401, "refresh_token_invalidated")
	id, code := r.userCode()
	post(`{"device":{"user_code":"`+code+`","approve":true}}`).want(t, 200, "")
	r.poll(id, code).want(t, 200, "")
}

func TestControlIsGuarded(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	for _, method := range []string{"GET", "POST"} {
		send := func(headers ...string) reply {
			return r.do(method, "/sandbox/control", "application/json", `{"revoke_all":true}`, headers...)
		}
		send().want(t, 401, "wrong_key")
		send("X-Sandbox-Key", "").want(t, 401, "wrong_key")
		send("X-Sandbox-Key", r.ControlKey()+"x").want(t, 401, "wrong_key")
		send("X-Sandbox-Key", r.ControlKey(), "Origin", r.URL()).want(t, 403, "origin_refused")
		send("X-Sandbox-Key", r.ControlKey(), "Origin", "null").want(t, 403, "origin_refused")
	}
	if c := r.Counters(); c.FamiliesRevoked != 0 {
		t.Error("a refused request had an effect")
	}
	for body, part := range map[string]string{
		``: "not a control request", `[]`: "not a control request", `{"fault":["html"]}`: "unknown field",
		`{} x`: "after the JSON", `{"faults":["nonsense"]}`: "unknown fault", `{"clock_offset":"soon"}`: "duration",
		`{"device":{"user_code":"x"}}`: "no device waits",
	} {
		res := r.do("POST", "/sandbox/control", "application/json", body, "X-Sandbox-Key", r.ControlKey()).want(t, 400, "invalid_request")
		if message := res.fields(t)["error"].(map[string]any)["message"].(string); !strings.Contains(message, part) {
			t.Errorf("%s: %q; want one about %q", body, message, part)
		}
	}
	a, b := newRig(t, sandbox.Config{Seed: 1}), newRig(t, sandbox.Config{Seed: 1})
	if a.ControlKey() == b.ControlKey() || len(a.ControlKey()) < 43 {
		t.Error("the control key follows from the seed")
	}
}

func TestCountersInJSON(t *testing.T) {
	text, err := json.Marshal(sandbox.Counters{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"token_requests", "code_exchanges", "refreshes", "refresh_requests", "reuses", "dead_family", "families_revoked",
		"refused", "faults", "revocations", "authorize_requests", "device_requests", "device_polls", "backend_requests",
		"backend_unauthorized", "discovery_requests", "max_in_flight"} {
		if !strings.Contains(string(text), `"`+name+`":0`) {
			t.Errorf("there is no %s", name)
		}
	}
}
