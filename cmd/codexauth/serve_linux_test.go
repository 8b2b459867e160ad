package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/internal/rig/sockets"
	"codexauth/sandbox"
)

// activated starts `codexauth serve` as systemd does: with sockets from descriptor
// 3 on, the variables that say so, and a socket to be told on.
func (b *box) activated(t *testing.T, files []*os.File, notify string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec codexauth --json serve "$@"`, "sh"}, args...)...)
	cmd.Env = append(b.env, "LISTEN_FDS="+strconv.Itoa(len(files)), "NOTIFY_SOCKET="+notify)
	cmd.ExtraFiles = files
	said, err := os.CreateTemp(t.TempDir(), "said") // a buffer could not be read while it runs
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		said.Close()
		if text, _ := os.ReadFile(said.Name()); t.Failed() {
			t.Logf("it said: %s", text)
		}
	})
	return cmd
}

// told waits for a message to the service manager.
func told(t *testing.T, conn *net.UnixConn, want string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != want {
		t.Fatalf("told %q, %v; want %q", buf[:n], err, want)
	}
}

// A socket of systemd's is served, nothing else is opened, the readiness and the
// stop are told, and the socket stays.
func TestServeActivated(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	dir := filepath.Join(filepath.Dir(b.home), "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	path := filepath.Join(dir, "s.sock")
	socket, tcp := sockets.HandedOver(t, "unix", path), sockets.HandedOver(t, "tcp", "127.0.0.1:0")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	tcpAddr, err := net.FileListener(tcp)
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + tcpAddr.Addr().String()
	tcpAddr.Close()
	cmd := b.activated(t, []*os.File{socket, tcp}, notify.LocalAddr().String())
	told(t, notify, "READY=1")
	s, byTCP := &served{Socket: path}, &served{URL: url}
	if status, text := s.ask(t, "POST", "/token", ""); status != 200 {
		t.Errorf("a lease: %d %s", status, text)
	}
	if status, _ := byTCP.ask(t, "GET", "/v1/models", ""); status != 401 {
		t.Errorf("TCP without a key: %d", status)
	}
	if _, err := os.Lstat(filepath.Join(b.home, "serve.sock")); err == nil {
		t.Error("the default socket was opened, too")
	}
	// Those who are started by it must not take its sockets for theirs.
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/environ")
	if err != nil || !bytes.Contains(environ, []byte("LISTEN_FDS=2")) {
		t.Errorf("the test did not do what it is for: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	told(t, notify, "STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the end: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the service manager's socket is gone: %v", err)
	}
}

func TestServeRefusesOpenInheritedSockets(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	path := filepath.Join(filepath.Dir(b.home), "s.sock")
	if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file *os.File
		says string
	}{
		"a directory of everybody's": {sockets.HandedOver(t, "unix", path), "could put a socket of their own"},
		"every address":              {sockets.HandedOver(t, "tcp", "0.0.0.0:0"), "beyond this machine takes TLS"},
	} {
		cmd := b.activated(t, []*os.File{tt.file}, "")
		err := cmd.Wait()
		text, _ := os.ReadFile(cmd.Stderr.(*os.File).Name())
		if said := string(text); err == nil || cmd.ProcessState.ExitCode() == 0 || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %v: %s", name, err, said)
		}
	}
}

// The same with systemd's own program.
func TestServeUnderSystemdSocketActivate(t *testing.T) {
	program, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" {
			t.Fatal("there is no systemd-socket-activate (Debian: systemd)")
		}
		t.Skip("there is no systemd-socket-activate")
	}
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	dir := filepath.Join(filepath.Dir(b.home), "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s.sock")
	args := []string{"--listen=" + path}
	for _, pair := range b.env {
		args = append(args, "--setenv="+pair)
	}
	codexauth, err := exec.LookPath("codexauth")
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(program, append(args, codexauth, "serve")...)
	var said bytes.Buffer
	cmd.Stderr, cmd.Env = &said, b.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	hc := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	var resp *http.Response
	eventually(t, "the socket", func() bool { // it is there a moment before somebody listens
		resp, err = hc.Get("http://broker/v1/models")
		return !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED)
	})
	if err != nil {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		ended := cmd.Wait()
		t.Fatalf("%v: %v: %s", err, ended, said.String())
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d: %s", resp.StatusCode, said.String())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the end: %v: %s", err, said.String())
	}
}
