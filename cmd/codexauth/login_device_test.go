package main

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// shownCode finds a user code of the sandbox.
func shownCode(text string) string {
	return regexp.MustCompile(`[A-Z]{4}-[A-Z]{4}`).FindString(text)
}

// decides collects what a command says, and decides about the code in it.
type decides struct {
	server *sandbox.Server
	allow  bool
	text   strings.Builder
	done   bool
}

var _ io.Writer = (*decides)(nil)

func (d *decides) Write(p []byte) (int, error) {
	d.text.Write(p)
	if code := shownCode(d.text.String()); code != "" && !d.done {
		d.done = d.server.ApproveDevice(code, d.allow) == nil
	}
	return len(p), nil
}

// device runs `login --device` without a terminal.
func (b *box) device(t *testing.T, allow bool, args ...string) result {
	t.Helper()
	before := secretsIn(b.home)
	cmd := b.command(append([]string{"login", "--device"}, args...)...)
	said := &decides{server: b.server, allow: allow}
	cmd.Stderr = said
	r := finish(cmd)
	r.stderr = said.text.String()
	b.check(t, r, before)
	return r
}

func TestLoginDevice(t *testing.T) {
	for name, plain := range map[string]bool{"the service's shape": true, "RFC 8628": false} {
		t.Run(name, func(t *testing.T) {
			b := newBox(t, sandbox.Config{NoDiscovery: plain, DeviceInterval: time.Second})
			r := b.device(t, true)
			lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
			if r.code != verdict.Done || r.stdout != "" || len(lines) != 2 {
				t.Fatalf("exit %d; it said %q", r.code, r.stderr)
			}
			host := strings.TrimPrefix(b.server.URL(), "http://")
			for _, want := range []string{"sign in to " + host + ", open", b.server.URL() + "/codex/device", shownCode(r.stderr), "only if you started this sign-in yourself"} {
				if want == "" || !strings.Contains(lines[0], want) {
					t.Errorf("it does not say %q: %q", want, lines[0])
				}
			}
			if !strings.HasPrefix(lines[1], "Signed in as dev@sandbox.test") {
				t.Errorf("it ends with %q", lines[1])
			}
			wantToken(t, b.run(t, "token"))
		})
	}
}

func TestLoginDeviceDenied(t *testing.T) {
	b := newBox(t, sandbox.Config{DeviceInterval: time.Second})
	r := b.device(t, false)
	if r.code != verdict.Cancelled || !strings.Contains(r.stderr, "access_denied") || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("exit %d; it said %q", r.code, r.stderr)
	}
}

func TestLoginDeviceIsNotEnabled(t *testing.T) {
	b := newBox(t, sandbox.Config{NoDiscovery: true})
	b.setFaults(t, "device-start=404")
	wantFailure(t, b.run(t, "login", "--device"), verdict.Failed,
		"device codes are not enabled", "settings under Security", "hint: or sign in with a browser: `codexauth login --no-browser`")
}

func TestLoginDeviceDrawsACode(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	r := b.device(t, false, "--qr", "--timeout", "100ms")
	if r.code != verdict.Failed || !strings.Contains(r.stderr, "█") || strings.Contains(r.stderr, "\x1b") {
		t.Errorf("exit %d; it said %q", r.code, r.stderr)
	}
	r = b.run(t, "login", "--no-browser", "--qr", "--timeout", "100ms")
	if r.code != verdict.Failed || !strings.Contains(r.stderr, "█") {
		t.Errorf("exit %d; it said %q", r.code, r.stderr)
	}
}
