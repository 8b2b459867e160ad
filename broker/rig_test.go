package broker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

const prompt = `{"model":"gpt-sandbox","store":false,"stream":true,"input":[{"role":"user","content":"Say this, piece by piece, please"}]}`

// rig is a broker with a login, on TCP, and a client that has a key.
type rig struct {
	testing.TB
	sandbox *sandbox.Server
	store   codexauth.Store
	manager *codexauth.Manager
	keys    *Keys
	server  *Server
	addr    string // host:port
	key     string // for the proxy only
	lease   string // key that may lease
	log     *lockedBuffer
	journal *Journal
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newRig starts a broker before the sandbox's backend, or before another one.
func newRig(t testing.TB, backend http.HandlerFunc, changes ...func(*Config)) *rig {
	t.Helper()
	r := &rig{TB: t, sandbox: sandbox.New(t, sandbox.Config{AutoApprove: true}), store: memory.New(), keys: new(Keys), log: &lockedBuffer{}}
	provider := codexauth.Provider{Issuer: r.sandbox.URL()}
	if backend != nil {
		upstream := httptest.NewServer(backend)
		t.Cleanup(upstream.Close)
		provider.BackendURL = upstream.URL + "/backend-api/codex"
	}
	provider, err := provider.Complete()
	r.must(err)
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.journal = NewJournal(log)
	r.manager, err = codexauth.NewManager(codexauth.Config{Store: r.store, Provider: provider, OnEvent: r.journal.Hear})
	r.must(err)
	t.Cleanup(func() { r.manager.Close() })
	r.signIn(r.manager)
	r.key = r.addKey("plain", func(k *Key) { k.Metrics = true })
	r.lease = r.addKey("leaser", func(k *Key) { k.Lease = true })
	cfg := Config{
		Manager: r.manager, Backend: provider.BackendURL, Keys: r.keys,
		Log: log, Journal: r.journal,
	}
	for _, change := range changes {
		change(&cfg)
	}
	r.server, err = New(cfg)
	r.must(err)
	l, err := ListenTCP("127.0.0.1:0", nil)
	r.must(err)
	r.addr = l.Addr().String()
	r.serve(l)
	return r
}

func (r *rig) signIn(m *codexauth.Manager) {
	r.Helper()
	const redirect, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"
	grant := codexauth.Grant{Code: r.sandbox.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}
	_, err := m.SignIn(r.Context(), grant, codexauth.SignInOptions{})
	r.must(err)
}

// serve serves l until the test ends.
func (r *rig) serve(l net.Listener) {
	done, server := make(chan error, 1), r.server
	go func() { done <- server.Serve(l) }()
	r.Cleanup(func() {
		server.Close()
		if err := <-done; err != nil {
			r.Error(err)
		}
	})
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) addKey(name string, change func(*Key)) (text string) {
	r.Helper()
	text, k, err := NewKey(name)
	r.must(err)
	if change != nil {
		change(&k)
	}
	r.must(r.keys.Add(k))
	return text
}

// token is the access token at hand.
func (r *rig) token() string {
	r.Helper()
	t, err := r.manager.Token(r.Context())
	r.must(err)
	return t.AccessToken.Reveal()
}

func (r *rig) request(method, path, body string, headers ...string) *http.Request {
	r.Helper()
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(r.Context(), method, "http://"+r.addr+path, rd)
	r.must(err)
	req.Header.Set("Authorization", "Bearer "+r.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

// send sends a request and returns the answer, open.
func (r *rig) send(req *http.Request) *http.Response {
	r.Helper()
	hc := &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := hc.Do(req)
	r.must(err)
	r.Cleanup(func() { resp.Body.Close() })
	return resp
}

// ask sends a request and reads the answer to its end.
func (r *rig) ask(method, path, body string, headers ...string) (status int, text string, h http.Header) {
	r.Helper()
	resp := r.send(r.request(method, path, body, headers...))
	content, err := io.ReadAll(resp.Body)
	r.must(err)
	return resp.StatusCode, string(content), resp.Header
}

// raw sends bytes as they are and returns all that comes back until the broker
// closes the connection.
func (r *rig) raw(text string) string {
	r.Helper()
	conn := r.dial()
	if _, err := io.WriteString(conn, text); err != nil {
		r.Logf("the broker did not read everything: %v", err)
	}
	answer, err := io.ReadAll(conn) // a reset is an end, too
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.Error("the broker keeps the connection open")
	}
	return string(answer)
}

func (r *rig) dial() net.Conn {
	r.Helper()
	conn, err := net.Dial("tcp", r.addr)
	r.must(err)
	r.Cleanup(func() { conn.Close() })
	r.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	return conn
}

// statusOf is the status in the first line of a raw answer, or 0.
func statusOf(answer string) (status int) {
	var minor int
	_, _ = fmt.Sscanf(answer, "HTTP/1.%d %d", &minor, &status)
	return status
}

// event reads one server-sent event.
func event(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var text strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended: %v", err)
		}
		if line == "\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

// wait waits for c with a bound that only a failure reaches.
func wait[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case v = <-c:
	case <-ctx.Done():
		t.Fatalf("waited too long for: %s", what)
	}
	return v
}
