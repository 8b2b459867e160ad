package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/pty"
	"codexauth/sandbox"
)

// A terminal with a person at it: what they see and what they type.
type terminal struct {
	cmd *exec.Cmd
	pty *os.File

	mu   sync.Mutex
	seen bytes.Buffer
	all  chan struct{} // closed when there is nothing more to see
}

// atTerminal starts a command whose standard input and error are a terminal. Its
// standard output is one too, unless the command has another.
func atTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	person, tty := pty.Open(t)
	defer tty.Close() // the person sees when the program has ended
	cmd.Stdin, cmd.Stderr = tty, tty
	if cmd.Stdout == nil {
		cmd.Stdout = tty
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	term := &terminal{cmd: cmd, pty: person, all: make(chan struct{})}
	go term.watch()
	return term
}

func (term *terminal) watch() {
	defer close(term.all)
	buf := make([]byte, 4096)
	for {
		n, err := term.pty.Read(buf)
		term.mu.Lock()
		term.seen.Write(buf[:n])
		term.mu.Unlock()
		if err != nil { // the command has ended
			return
		}
	}
}

func (term *terminal) screen() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.ReplaceAll(term.seen.String(), "\r\n", "\n")
}

func (term *terminal) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(term.screen(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q did not appear; the screen shows %q", text, term.screen())
		}
	}
}

func (term *terminal) typeIn(t *testing.T, keys string) {
	t.Helper()
	if _, err := term.pty.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

func (term *terminal) end(t *testing.T, code int) {
	t.Helper()
	_ = term.cmd.Wait() // the exit code tells
	select {
	case <-term.all:
	case <-time.After(10 * time.Second):
		t.Error("somebody holds the terminal after the command has ended")
	}
	if got := term.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit %d, want %d; the screen shows %q", got, code, term.screen())
	}
}

func TestLoginAsks(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	before := b.stored(t)

	for _, keys := range []string{"n\n", "\n", "what?\n", "\x04", "\x03"} { // Ctrl-D, Ctrl-C
		term := atTerminal(t, b.command("login"))
		term.await(t, "Signed in as dev@sandbox.test (plus) already. Replace it? [y/N] ")
		term.typeIn(t, keys)
		term.end(t, verdict.Cancelled)
	}
	if b.stored(t) != before {
		t.Error("a sign-in that was declined changed the store")
	}

	cmd := b.command("login")
	cmd.Env = append(cmd.Env, "BROWSER=person-auto")
	term := atTerminal(t, cmd)
	term.await(t, "Replace it?")
	term.typeIn(t, "y\n")
	term.await(t, "Signed in as dev@sandbox.test (plus), account")
	term.end(t, verdict.Done)
	if b.stored(t) == before {
		t.Error("the sign-in changed nothing")
	}
}

// The address that the browser ended at can be pasted; what is wrong with
// another one is said.
func TestLoginTakesPaste(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	term := atTerminal(t, b.command("login", "--no-browser"))
	term.await(t, "Waiting for you to sign in")
	term.typeIn(t, "http://localhost:1/auth/callback?code=x\n")
	term.await(t, "still waiting")
	term.typeIn(t, redirectOf(t, authorizeURL(term.screen()))+"\n")
	term.await(t, "Signed in as dev@sandbox.test")
	term.end(t, verdict.Done)
	wantToken(t, b.run(t, "token"))
}

func TestLoginInterruptedAtTerminal(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	term := atTerminal(t, b.command("login", "--no-browser"))
	term.await(t, "Waiting for you to sign in")
	term.typeIn(t, "\x03")
	term.end(t, verdict.Cancelled)
}

func TestProfileRemoveAsks(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "work")
	for _, keys := range []string{"n\n", "\x03"} { // Ctrl-C
		term := atTerminal(t, b.command("profile", "rm", "work"))
		term.await(t, `Remove the login "work" (valid)? [y/N] `)
		term.typeIn(t, keys)
		term.end(t, verdict.Cancelled)
	}
	if r := b.run(t, "--profile", "work", "status"); r.code != verdict.Done {
		t.Errorf("status: exit %d", r.code)
	}
	term := atTerminal(t, b.command("profile", "rm", "work"))
	term.await(t, "[y/N] ")
	term.typeIn(t, "y\n")
	term.end(t, verdict.Done)
	if r := b.run(t, "--profile", "work", "status"); r.code != verdict.SignedOut {
		t.Errorf("status: exit %d", r.code)
	}
}

// Who is kept waiting is told what for, at a terminal only.
func TestWaitingIsShown(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "latency=1500ms*1")
	cmd := b.command("token")
	var stdout strings.Builder
	cmd.Stdout = &stdout
	term := atTerminal(t, cmd)
	term.await(t, "waiting for a refresh")
	term.end(t, verdict.Done)
	wantToken(t, result{stdout: stdout.String()})

	b.setFaults(t, "latency=1500ms*1")
	if r := b.run(t, "refresh", "--json"); r.code != verdict.Done || r.stderr != "" {
		t.Errorf("exit %d; without a terminal it said %q", r.code, r.stderr)
	}
}

func TestColour(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	for name, tt := range map[string]struct {
		env  string
		args []string
		want bool
	}{
		"terminal":   {"TERM=xterm", []string{"status"}, true},
		"--no-color": {"TERM=xterm", []string{"status", "--no-color"}, false},
		"NO_COLOR":   {"NO_COLOR=1", []string{"status"}, false},
		"dumb":       {"TERM=dumb", []string{"status"}, false},
		"unknown":    {"TERM=", []string{"status"}, false}, // what it understands
	} {
		cmd := b.command(tt.args...)
		cmd.Env = append(cmd.Env, tt.env)
		term := atTerminal(t, cmd)
		term.await(t, "Store ")
		term.end(t, verdict.Done)
		if got := strings.Contains(term.screen(), "\x1b["); got != tt.want {
			t.Errorf("%s: colour %v, want %v", name, got, tt.want)
		}
	}
}

// authorizeURL finds the address on a screen.
func authorizeURL(screen string) string {
	for line := range strings.Lines(screen) {
		if strings.Contains(line, "code_challenge=") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
