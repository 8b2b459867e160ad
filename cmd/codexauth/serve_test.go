package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// served is a `codexauth serve` that runs.
type served struct {
	Socket string `json:"socket"`
	URL    string `json:"url"`
	cmd    *exec.Cmd
	stderr *strings.Builder // complete once stopped
}

func (b *box) serve(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{cmd: b.command(append([]string{"--json", "serve"}, args...)...), stderr: &strings.Builder{}}
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), s) != nil {
		t.Fatalf("it said %q, %v: %s", line, err, s.stderr)
	}
	return s
}

// stop ends it as a service manager does.
func (s *served) stop(t *testing.T) {
	t.Helper()
	if err := stop(s.cmd); err != nil {
		t.Errorf("%v: %s", err, s.stderr)
	}
}

// stop asks a process to end, and waits for that. On Windows, where such a wish goes to
// all of a console's processes, it is ended.
func stop(cmd *exec.Cmd) error {
	if runtime.GOOS == "windows" {
		err := cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return cmd.Wait()
}

// ask sends one request, by the socket where the server has one.
func (s *served) ask(t *testing.T, method, path, key string) (status int, text string) {
	t.Helper()
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	base := s.URL
	if s.Socket != "" {
		base = "http://broker"
		hc.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.Socket)
		}}
	}
	req, err := http.NewRequest(method, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// shortHome gives the box a home whose path leaves room for a socket.
func shortHome(t *testing.T, b *box) {
	t.Helper()
	dir, err := os.MkdirTemp("", "cx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b.home = filepath.Join(dir, "home")
	b.env = append(b.env, "CODEXAUTH_HOME="+b.home)
}

func TestServeOnASocket(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	if !b.hasSockets(t) {
		t.Skip("no Unix sockets here")
	}
	b.signIn(t, "default")
	s := b.serve(t)
	if s.Socket != filepath.Join(b.home, "serve.sock") || s.URL != "" {
		t.Errorf("%+v", s)
	}
	if status, text := s.ask(t, "GET", "/v1/models", ""); status != 200 || !strings.Contains(text, "gpt-sandbox") {
		t.Errorf("models: %d %s", status, text)
	}
	status, text := s.ask(t, "POST", "/token", "")
	if status != 200 || !strings.Contains(text, b.stored(t).AccessToken) || strings.Contains(text, b.stored(t).RefreshToken) {
		t.Errorf("token: %d", status)
	}
	wantFailure(t, b.run(t, "serve"), verdict.Failed, "another process serves it", "--socket")
	s.stop(t)
	if _, err := os.Lstat(s.Socket); err == nil {
		t.Error("the socket is left behind")
	}
	if log := s.stderr.String(); !strings.Contains(log, "path=/v1/models status=200") || strings.Contains(log, b.stored(t).AccessToken) {
		t.Errorf("the audit log: %s", log)
	}
}

// Keys count, and stop counting, while the server runs.
func TestServeWithKeys(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	plain := strings.TrimSpace(b.run(t, "serve", "key", "add", "plain").stdout)
	s := b.serve(t, "--listen", "127.0.0.1:0")
	for key, want := range map[string]int{"": 401, "wrong": 401, plain: 200} {
		if status, text := s.ask(t, "GET", "/v1/models", key); status != want {
			t.Errorf("%d, want %d: %s", status, want, text)
		}
	}
	if status, _ := s.ask(t, "POST", "/token", plain); status != 403 {
		t.Errorf("a lease without the right: %d", status)
	}
	leaser := strings.TrimSpace(b.run(t, "serve", "key", "add", "leaser", "--lease", "--expires", "1h").stdout)
	becomes(t, "a new key", 200, func() int { status, _ := s.ask(t, "POST", "/token", leaser); return status })
	if r := b.run(t, "serve", "key", "revoke", "plain"); r.code != verdict.Done {
		t.Fatalf("revoke: %s", r.stderr)
	}
	becomes(t, "a revoked key", 401, func() int { status, _ := s.ask(t, "GET", "/v1/models", plain); return status })
	s.stop(t)
	for _, key := range []string{plain, leaser} {
		if len(key) < 30 || strings.Contains(s.stderr.String(), key) {
			t.Error("the log holds a key")
		}
	}
}

// becomes asks until the answer is the one that is wanted.
func becomes(t *testing.T, what string, want int, ask func() int) {
	t.Helper()
	got := 0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = ask(); got == want {
			return
		}
	}
	t.Errorf("%s: %d, want %d", what, got, want)
}
