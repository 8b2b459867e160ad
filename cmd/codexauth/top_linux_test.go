package main

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"codexauth/broker/overview"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// frames are the pictures that a screen was shown.
func frames(t *testing.T, screen string) []string {
	t.Helper()
	_, screen, ok := strings.Cut(screen, "\x1b[?1049h\x1b[?25l")
	if !ok {
		t.Fatalf("no screen was opened: %q", screen)
	}
	return strings.Split(screen, "\x1b[H")[1:]
}

// top shows what happens while it runs, draws over what was there and never clears
// it, and leaves the terminal as it was, however it is left.
func TestTopAtTerminal(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	newServed(t, b)
	for name, leave := range map[string]func(*terminal){
		"q":       func(term *terminal) { term.typeIn(t, "q") },
		"Ctrl-C":  func(term *terminal) { term.typeIn(t, "\x03") },
		"SIGTERM": func(term *terminal) { term.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			term := atTerminal(t, b.command("top"))
			term.await(t, "q quits")
			leave(term)
			term.end(t, verdict.Done)
			term.await(t, "\x1b[?25h\x1b[?1049l")
			const cooked = unix.ECHO | unix.ICANON | unix.ISIG
			if after, err := unix.IoctlGetTermios(int(term.pty.Fd()), unix.TCGETS); err != nil || after.Lflag&cooked != cooked || after.Oflag&unix.OPOST == 0 {
				t.Errorf("the terminal is left in another state: %v", err)
			}
		})
	}
	term := atTerminal(t, b.command("top"))
	term.await(t, "All is well: the login is valid.")
	b.server.RevokeAll()
	if r := b.run(t, "refresh"); r.code != verdict.Refused {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	term.await(t, "no longer accepted by the server")
	term.typeIn(t, "q")
	term.end(t, verdict.Done)
	for _, frame := range frames(t, term.screen()) {
		if strings.Contains(frame, "\x1b[2J") || strings.Contains(frame, "\x1b[1J") {
			t.Errorf("the screen is cleared, which flickers: %q", frame)
		}
		lines := strings.Split(strings.Split(frame, "\x1b[J")[0], "\n")
		if len(lines) > 24 {
			t.Errorf("%d lines", len(lines))
		}
		for _, line := range lines {
			if n := ui.Columns(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\x1b[K", "")); n > 80 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
	}
}

// Without a terminal it prints once: for people, or for programs; with a server, by
// its socket or a key that may lease, and without one from the store.
func TestTopOnce(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	s, _, tcp := newServed(t, b)
	lease, plain := b.addKey(t, "leaser", "--lease"), b.addKey(t, "plain")
	becomes(t, "the key", verdict.Done, func() int { return b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+lease).run(t, "token").code })
	for name, c := range map[string]*box{"socket": b, "key": b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+lease)} {
		r := c.run(t, "top")
		if r.code != verdict.Done || !strings.Contains(r.stdout, "All is well") || !strings.Contains(r.stdout, "5-hour limit") || !strings.Contains(r.stdout, "key leaser") || strings.Contains(r.stdout, "\x1b") {
			t.Errorf("%s: exit %d: %s%s", name, r.code, r.stdout, r.stderr)
		}
		var o overview.Overview
		if r := c.run(t, "top", "--json"); json.Unmarshal([]byte(r.stdout), &o) != nil || len(o.Logins) != 1 || o.Logins[0].State != "valid" || len(o.Clients) < 2 {
			t.Errorf("%s: %s%s", name, r.stdout, r.stderr)
		}
	}
	wantFailure(t, b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+plain).run(t, "top"), verdict.Usage)
	s.stop(t)
	r := b.run(t, "top")
	if r.code != verdict.Done || !strings.Contains(r.stdout, "All is well") || strings.Contains(r.stdout, "Requests") {
		t.Errorf("from the store: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	var o overview.Overview
	if r := b.run(t, "top", "--json"); json.Unmarshal([]byte(r.stdout), &o) != nil || o.Logins[0].State != "valid" || !o.StartedAt.IsZero() || o.Clients == nil {
		t.Errorf("from the store: %s%s", r.stdout, r.stderr)
	}
	wantFailure(t, b.run(t, "top", "--socket", s.Socket), verdict.TryLater, "serve")
	wantFailure(t, b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+lease).run(t, "top"), verdict.TryLater)
}

// A sealed store asks for its passphrase before there is a screen, and once.
func TestTopOfASealedStore(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	term := atTerminal(t, b.command("store", "seal", "--passphrase", "--no-remember"))
	term.await(t, "Passphrase of ")
	term.typeIn(t, "correct horse battery staple\n")
	term.await(t, "Repeat the passphrase")
	term.typeIn(t, "correct horse battery staple\n")
	term.end(t, verdict.Done)
	term = atTerminal(t, b.command("--identity-file", "prompt", "top"))
	term.await(t, "Passphrase of ")
	if strings.Contains(term.screen(), "\x1b[?1049h") {
		t.Error("the screen is open while somebody types a passphrase")
	}
	term.typeIn(t, "correct horse battery staple\n")
	term.await(t, "All is well")
	term.await(t, "\x1b[H")
	for deadline := time.Now().Add(20 * time.Second); len(frames(t, term.screen())) < 2 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond) // the next picture is drawn in two seconds
	}
	term.typeIn(t, "q")
	term.end(t, verdict.Done)
	if n := strings.Count(term.screen(), "Passphrase of "); n != 1 {
		t.Errorf("it asks %d times", n)
	}
}
