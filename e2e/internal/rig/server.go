package rig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTimeout is what a busy machine may take to start Node or Chromium.
const startTimeout = 60 * time.Second

// A Server is a running oidc-provider: an authorization server that this
// project did not write.
type Server struct {
	// Issuer is its issuer URL, on 127.0.0.1 at a port of the kernel's choice.
	Issuer string

	control string
	key     string
}

// Counters is what happened at a [Server] since it started or was last reset.
// The comments of oidc/record.mjs define each.
type Counters struct {
	TokenRequests      int `json:"token_requests"`
	CodeExchanges      int `json:"code_exchanges"`
	Refreshes          int `json:"refreshes"`
	Reuses             int `json:"reuses"`
	CodeReplays        int `json:"code_replays"`
	DeadFamily         int `json:"dead_family"`
	Refused            int `json:"refused"`
	RevokedGrants      int `json:"revoked_grants"`
	RevocationRequests int `json:"revocation_requests"`
	Revocations        int `json:"revocations"`
	MaxInFlight        int `json:"max_in_flight"`
}

// A TokenRequest is one entry of the server's log.
type TokenRequest struct {
	AtMS      int64  `json:"at_ms"` // Unix milliseconds
	GrantType string `json:"grant_type"`
	Status    int    `json:"status"` // 0: cut off, or not answered yet
}

// A Fault strikes requests to the token endpoint: first the delay, then the cut
// or the status. With neither, the request is only delayed.
type Fault struct {
	When       When   `json:"when"`
	DelayMS    int    `json:"delay_ms,omitempty"`
	Cut        bool   `json:"cut,omitempty"`
	Status     int    `json:"status,omitempty"`
	HTML       bool   `json:"html,omitempty"`
	RetryAfter string `json:"retry_after,omitempty"`
	Count      int    `json:"count,omitempty"` // how many requests it strikes; 0: all
}

// When a [Fault] strikes.
type When string

const (
	Before When = "before" // the request is not handled: nothing is spent
	After  When = "after"  // the token or code was spent, its successor issued
)

// StartServer starts oidc-provider with the flags of oidc/server.mjs and stops
// it at the end of the test.
func StartServer(t testing.TB, flags ...string) *Server {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		unavailable(t, "no foreign authorization server: node is not installed")
	}
	if _, err := os.Stat(filepath.Join(serverDir(), "node_modules", "oidc-provider")); err != nil {
		unavailable(t, "no foreign authorization server: run `npm ci` in e2e/oidc first")
	}
	for last := false; ; last = true { // Node itself was seen to hang at its start
		server, err := startServer(t, exec.Command(node, append([]string{"server.mjs"}, flags...)...))
		switch {
		case err == nil:
			return server
		case last:
			t.Fatal(err)
		}
		t.Log(err)
	}
}

func startServer(t testing.TB, cmd *exec.Cmd) (*Server, error) {
	cmd.Dir = serverDir()
	stderr := &lockedBuffer{}
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start oidc-provider: %w", err)
	}
	t.Cleanup(func() {
		stdin.Close() // the server ends with its standard input
		stop(cmd)
		if t.Failed() {
			t.Logf("oidc-provider said:\n%s", stderr)
		}
	})
	var ready struct {
		Issuer, Control string
		ControlKey      string `json:"control_key"`
	}
	if err := readReadyLine(stdout, &ready); err != nil {
		return nil, fmt.Errorf("oidc-provider did not start: %w\n%s", err, stderr)
	}
	return &Server{Issuer: ready.Issuer, control: ready.Control, key: ready.ControlKey}, nil
}

// serverDir is e2e/oidc, wherever the tests are run from.
func serverDir() string {
	return filepath.Join(moduleDir(), "oidc")
}

// moduleDir is the directory of the e2e module.
func moduleDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// stop waits for a process that was told to end, and kills it after a while.
func stop(cmd *exec.Cmd) {
	timer := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
}

// readReadyLine decodes the line of JSON that a server prints when it listens.
func readReadyLine(stdout io.Reader, ready any) error {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		lines <- line
	}()
	select {
	case line := <-lines:
		if err := json.Unmarshal([]byte(line), ready); err != nil {
			return fmt.Errorf("its first line (%d bytes) is no JSON object: %w", len(line), err)
		}
		return nil
	case <-time.After(startTimeout):
		return fmt.Errorf("it printed nothing for %v", startTimeout)
	}
}

// Counters returns what has happened so far.
func (s *Server) Counters(t testing.TB) Counters {
	t.Helper()
	var c Counters
	s.call(t, http.MethodGet, "/counters", nil, &c)
	return c
}

// Reset starts counters and log from zero.
func (s *Server) Reset(t testing.TB) {
	t.Helper()
	s.call(t, http.MethodDelete, "/counters", nil, nil)
}

// TokenRequests returns the log of requests to the token endpoint.
func (s *Server) TokenRequests(t testing.TB) []TokenRequest {
	t.Helper()
	var log []TokenRequest
	s.call(t, http.MethodGet, "/requests", nil, &log)
	return log
}

// Arm replaces the fault of the token endpoint.
func (s *Server) Arm(t testing.TB, f Fault) {
	t.Helper()
	s.call(t, http.MethodPut, "/fault", f, nil)
}

// Disarm ends every fault.
func (s *Server) Disarm(t testing.TB) {
	t.Helper()
	s.call(t, http.MethodDelete, "/fault", nil, nil)
}

// SetAccessTokenLife sets the life, in whole seconds, of access tokens issued from now on.
func (s *Server) SetAccessTokenLife(t testing.TB, life time.Duration) {
	t.Helper()
	s.call(t, http.MethodPut, "/settings", map[string]int{"access_token_ttl": int(life / time.Second)}, nil)
}

// ControlWithoutKey returns the status that the control endpoint answers to a stranger.
func (s *Server) ControlWithoutKey(t testing.TB) int {
	t.Helper()
	resp, err := http.Get(s.control + "/counters")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (s *Server) call(t testing.TB, method, path string, body, answer any) {
	t.Helper()
	if err := control(method, s.control+path, "X-Control-Key", s.key, body, answer); err != nil {
		t.Fatalf("control of the foreign server: %v", err)
	}
}

// control sends a request with a key in a header; body and answer are JSON, or nil.
func control(method, url, header, key string, body, answer any) error {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	req.Header.Set(header, key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %s", method, url, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// A lockedBuffer collects the output of a process that still runs.
type lockedBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
