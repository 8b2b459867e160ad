package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"codexauth/sandbox"
)

const create = `{"type":"response.create","model":"gpt-sandbox","store":false,"input":[{"role":"user","content":"hello"}]}`

// socket opens a WebSocket through the broker with a client that is not ours.
func (r *rig) socket(path, key string, headers ...string) (*websocket.Conn, *http.Response, error) {
	r.Helper()
	h := http.Header{"Openai-Beta": {"responses_websockets=2026-02-06"}}
	if key != "" {
		h.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	r.Cleanup(cancel)
	conn, resp, err := websocket.Dial(ctx, "http://"+r.addr+path, &websocket.DialOptions{HTTPHeader: h})
	if err == nil {
		r.Cleanup(func() { conn.CloseNow() })
	}
	return conn, resp, err
}

// converse sends a message and counts the answers, to the one that completes.
func (r *rig) converse(conn *websocket.Conn) (events int) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	r.must(conn.Write(ctx, websocket.MessageText, []byte(create)))
	for {
		_, data, err := conn.Read(ctx)
		r.must(err)
		events++
		if strings.Contains(string(data), `"type":"response.completed"`) {
			return events
		}
	}
}

func TestWebSocketPasses(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/v1/responses", "/backend-api/codex/responses"} {
		conn, resp, err := r.socket(path, r.key)
		r.must(err)
		for range 3 {
			if n := r.converse(conn); n < 6 {
				t.Errorf("%s: %d events", path, n)
			}
		}
		if resp.Header.Get("X-Codex-Plan-Type") != "plus" {
			t.Errorf("headers %v", resp.Header)
		}
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("the closing handshake: %v", err)
		}
	}
	r.server.Close()
	if log := r.log.String(); strings.Count(log, "method=GET path=/v1/responses status=101") != 1 {
		t.Errorf("the audit log: %s", log)
	}
}

// The official command line falls back to HTTP at once on a 426.
func TestBackendsUpgradeRequiredIsPassedOn(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.sandbox.SetFaults(sandbox.Fault{Name: "backend-no-websocket"}))
	_, resp, err := r.socket("/v1/responses", r.key)
	if err == nil || resp == nil || resp.StatusCode != http.StatusUpgradeRequired {
		t.Fatalf("%v %v", resp, err)
	}
	if status, _, _ := r.ask("POST", "/v1/responses", prompt); status != 200 {
		t.Errorf("and then HTTP: %d", status)
	}
}

func TestUpgradeRecoversFromA401(t *testing.T) {
	r := newRig(t, nil)
	r.token()
	r.sandbox.ExpireAccessTokens()
	conn, _, err := r.socket("/v1/responses", r.key)
	r.must(err)
	r.converse(conn)
	if c := r.sandbox.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", c.Refreshes, c.Reuses)
	}
	if n := r.server.met.recoveries.Load(); n != 1 {
		t.Errorf("%d recoveries are counted", n)
	}
}

func TestUpgradesThatAreRefused(t *testing.T) {
	r := newRig(t, nil)
	narrow := r.addKey("narrow", func(k *Key) { k.Paths = []string{"/v1/models"} })
	one := r.addKey("one", func(k *Key) { k.Streams = 1 })
	held, _, err := r.socket("/v1/responses", one)
	r.must(err)
	r.converse(held)
	before := r.sandbox.Counters().BackendRequests
	for _, tt := range []struct {
		name, path, key string
		headers         []string
		status          int
		code            string
	}{
		{"no key", "/v1/responses", "", nil, 401, "unauthorized"},
		{"key in the query", "/v1/responses?key=x", r.key, nil, 400, "key_in_query"},
		{"Origin", "/v1/responses", r.key, []string{"Origin", "https://evil.example"}, 403, "origin_refused"},
		{"our Origin", "/v1/responses", r.key, []string{"Origin", "http://" + r.addr}, 403, "origin_refused"},
		{"path of another key", "/v1/responses", narrow, nil, 403, "path_refused"},
		{"one too many", "/v1/responses", one, nil, 429, "too_many_streams"},
		{"path trick", "/backend-api/codex/%2e%2e/accounts", r.key, nil, 400, "bad_path"},
		{"elsewhere at the backend", "/backend-api/wham/usage", r.key, nil, 404, "not_found"},
		{"lease", "/token", r.lease, nil, 405, "method_not_allowed"},
	} {
		_, resp, err := r.socket(tt.path, tt.key, tt.headers...)
		if err == nil || resp == nil {
			t.Errorf("%s: %v, %v", tt.name, resp, err)
			continue
		}
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != tt.status || !strings.Contains(string(text), tt.code) {
			t.Errorf("%s: %d %s", tt.name, resp.StatusCode, text)
		}
	}
	if n := r.sandbox.Counters().BackendRequests - before; n != 0 {
		t.Errorf("%d reached the backend", n)
	}
}

// Of an upgrade's headers as much passes as of any other's, and no other protocol
// is ever offered to the backend.
func TestHeadersOfAnUpgrade(t *testing.T) {
	seen := make(chan *http.Request, 1)
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		if r.Header.Get("Upgrade") == "" {
			return
		}
		w.Header().Set("Set-Cookie", "__cf_bm=secret")
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			conn.CloseNow()
		}
	})
	_, resp, err := r.socket("/v1/responses", r.key, "Cookie", "a=b", "Chatgpt-Account-Id", "other", "X-Forwarded-For", "1.2.3.4", "Sec-Fetch-Site", "none")
	r.must(err)
	got := <-seen
	if got.Header.Get("Authorization") != "Bearer "+r.token() || got.Header.Get("Openai-Beta") != "responses_websockets=2026-02-06" {
		t.Errorf("the backend got %v", got.Header)
	}
	for _, name := range []string{"Cookie", "X-Forwarded-For", "Sec-Fetch-Site", "Origin"} {
		if v := got.Header.Get(name); v != "" {
			t.Errorf("%s: %s reached the backend", name, v)
		}
	}
	if resp.Header.Get("Set-Cookie") != "" {
		t.Error("a cookie reached the client")
	}
	for _, other := range []string{"h2c", "websocket, h2c", "TLS/1.0"} {
		r.ask("GET", "/v1/responses", "", "Connection", "Upgrade", "Upgrade", other)
		if got := <-seen; got.Header.Get("Upgrade") != "" || got.Header.Get("Connection") != "" {
			t.Errorf("%s was offered to the backend: %v", other, got.Header)
		}
	}
}

// A backend that upgrades what it was not asked to gets nowhere.
func TestUpgradeThatNobodyAskedFor(t *testing.T) {
	left := make(chan bool, 2)
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tunnel\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		left <- true
	})
	for _, headers := range []string{"Connection: close", "Connection: Upgrade, close\r\nUpgrade: websocket"} {
		answer := r.raw(fmt.Sprintf("GET /backend-api/codex/responses HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n", r.addr, r.key, headers))
		if statusOf(answer) != 502 || !strings.Contains(answer, "upstream_failed") {
			t.Errorf("%v: %s", headers, answer)
		}
	}
	wait(t, left, "the end of the first connection at the backend")
	wait(t, left, "the end of the second")
}

// What ends a stream ends a WebSocket.
func TestEndOfAWebSocket(t *testing.T) {
	tests := map[string]func(r *rig, conn *websocket.Conn){
		"client gone":   func(_ *rig, conn *websocket.Conn) { conn.CloseNow() },
		"key revoked":   func(r *rig, _ *websocket.Conn) { r.keys.Revoke("plain") },
		"broker closed": func(r *rig, _ *websocket.Conn) { r.server.Close() },
		"stop, bounded": func(r *rig, _ *websocket.Conn) {
			ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
			defer cancel()
			if err := r.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				r.Errorf("Shutdown: %v", err)
			}
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
				conn, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				_ = conn.Write(r.Context(), websocket.MessageText, []byte("x"))
				_, _, _ = conn.Read(context.WithoutCancel(r.Context()))
				close(ended)
			})
			conn, _, err := r.socket("/v1/responses", r.key)
			r.must(err)
			if _, _, err := conn.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			end(r, conn)
			wait(t, ended, "the end at the backend")
			if _, _, err := conn.Read(t.Context()); err == nil {
				t.Error("the client goes on")
			}
		})
	}
}

func TestExpiryEndsAWebSocket(t *testing.T) {
	r := newRig(t, nil)
	brief := r.addKey("brief", func(k *Key) { k.Expires = time.Now().Add(300 * time.Millisecond) })
	conn, _, err := r.socket("/v1/responses", brief)
	r.must(err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("read: %v", err)
	}
}

// A stop waits for WebSockets that end by themselves.
func TestShutdownLetsWebSocketsFinish(t *testing.T) {
	r := newRig(t, nil)
	conn, _, err := r.socket("/v1/responses", r.key)
	r.must(err)
	r.converse(conn)
	down := make(chan error, 1)
	go func() { down <- r.server.Shutdown(t.Context()) }()
	for r.server.enter() {
		r.server.handlers.Done()
	}
	if n := r.converse(conn); n < 6 {
		t.Errorf("%d events during the stop", n)
	}
	r.must(conn.Close(websocket.StatusNormalClosure, ""))
	if err := wait(t, down, "Shutdown"); err != nil {
		t.Error(err)
	}
}

// A client that does not read its WebSocket is given up.
func TestWebSocketThatIsNotRead(t *testing.T) {
	ended := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		for err == nil {
			err = conn.Write(context.WithoutCancel(r.Context()), websocket.MessageText, make([]byte, 1<<16))
		}
		close(ended)
	}, func(c *Config) { c.Patience = 100 * time.Millisecond })
	_, _, err := r.socket("/v1/responses", r.key)
	r.must(err)
	wait(t, ended, "the end at the backend")
}

// What a client sends before it was told that it may is not lost.
func TestEarlyBytesOfAnUpgrade(t *testing.T) {
	got := make(chan string, 1)
	r := newRig(t, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		early := make([]byte, 5)
		_, _ = io.ReadFull(rw.Reader, early)
		got <- string(early)
	})
	conn := r.dial()
	fmt.Fprintf(conn, "GET /v1/responses HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly", r.addr, r.key)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatalf("%q %v", line, err)
	}
	if text := wait(t, got, "the backend"); text != "early" {
		t.Errorf("the backend got %q", text)
	}
}
