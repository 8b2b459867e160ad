package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/internal/rig/sockets"
	"codexauth/sandbox"
)

// A server is told to stop while another is started on the same sockets: what is under
// way goes on to its end, and whoever comes meanwhile is served by the next.
func TestServeIsReplaced(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	path := filepath.Join(filepath.Dir(b.home), "s.sock")
	socket := sockets.HandedOver(t, "unix", path)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(filepath.Dir(b.home), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	start := func() (stop func()) {
		cmd := b.activated(t, []*os.File{socket}, notify.LocalAddr().String(), "--drain", "1h")
		told(t, notify, "READY=1")
		return func() {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			told(t, notify, "STOPPING=1")
			told(t, notify, "EXTEND_TIMEOUT_USEC=3610000000")
			t.Cleanup(func() {
				if t.Failed() { // it may wait for what never comes
					cmd.Process.Kill()
				}
				if err := cmd.Wait(); err != nil && !t.Failed() {
					t.Errorf("its end: %v", err)
				}
			})
		}
	}
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	post := func(body io.Reader) (*http.Response, error) {
		req, err := http.NewRequest("POST", "http://broker/backend-api/codex/responses", body)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		return hc.Do(req)
	}
	const prompt = `{"model":"gpt-sandbox","store":false,"stream":true,"input":[{"role":"user","content":"Say this"}]}`
	whole := func(resp *http.Response, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), "response.completed") {
			t.Errorf("%d %v: %.200s", resp.StatusCode, err, text)
		}
	}

	stopFirst := start()
	// One request is in the middle of its body, one answer in the middle of its events.
	begun, feed := io.Pipe()
	slow := make(chan func(), 1)
	go func() { resp, err := post(begun); slow <- func() { whole(resp, err) } }()
	if _, err := io.WriteString(feed, prompt[:20]); err != nil {
		t.Fatal(err)
	}
	if err := b.server.QueueAnswers("text one; wait 2s; text two"); err != nil {
		t.Fatal(err)
	}
	stream, err := post(strings.NewReader(prompt))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	events := bufio.NewReader(stream.Body)
	if _, err := events.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	stopFirst()
	early := make(chan func(), 1)
	go func() { resp, err := post(strings.NewReader(prompt)); early <- func() { whole(resp, err) } }() // nobody listens yet
	stopSecond := start()
	(<-early)()
	whole(post(strings.NewReader(prompt)))
	if _, err := io.WriteString(feed, prompt[20:]); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	(<-slow)()
	rest, err := io.ReadAll(events)
	if err != nil || !strings.Contains(string(rest), "response.completed") {
		t.Errorf("the stream: %v: %.200s", err, rest)
	}
	stopSecond()
}

// Who does not want to wait for the streams says so a second time.
func TestServeStopsAtOnceWhenToldTwice(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	s := b.serve(t, "--drain", "1h")
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /backend-api/codex/responses HTTP/1.1\r\nHost: broker\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the request", func() bool { return b.server.Counters().BackendRequests > 0 })
	begun := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stop", func() bool {
		conn, err := net.Dial("unix", s.Socket)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	again := make(chan struct{})
	go func() { // it may not be heard at once
		for {
			select {
			case <-again:
				return
			case <-time.After(20 * time.Millisecond):
				_ = s.cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	}()
	err = s.cmd.Wait()
	close(again)
	if err != nil || !strings.Contains(s.stderr.String(), "streams were cut off") {
		t.Errorf("%v after %v: %s", err, time.Since(begun), s.stderr)
	}
}
