package rig

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"codexauth/internal/rig/program"
)

// A Terminal is a codexauth command that runs on a terminal of its own.
type Terminal struct {
	tty    *os.File
	screen *program.Text
	done   <-chan int // the exit code
}

// OnTerminal starts a command on a new terminal; it ends with the test.
func (c *CLI) OnTerminal(t testing.TB, args ...string) *Terminal {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	cmd := c.command(ctx, args...)
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "TERM=xterm")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		cancel()
		t.Fatalf("no terminal: %v", err)
	}
	if err := setNonblock(tty); err != nil {
		cancel()
		t.Fatalf("no terminal: %v", err)
	}
	done := make(chan int, 1)
	term := &Terminal{tty: tty, screen: &program.Text{}, done: done}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(term.screen, tty) // ends with an error when the last holder of the terminal does
	}()
	go func() {
		cmd.Wait()
		done <- cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		cancel()
		tty.Close()
		<-copied
	})
	return term
}

// Type sends a line as a person would.
func (term *Terminal) Type(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(term.tty, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// Screen is all that the terminal has shown, what was typed included.
func (term *Terminal) Screen() string {
	return term.screen.String()
}

// AwaitURL waits for the authorization URL of a login.
func (term *Terminal) AwaitURL(t testing.TB) string {
	t.Helper()
	return awaitURL(t, term.screen, func() string { return authorizeURLIn(term.Screen()) })
}

// Answer types a line and waits until the command has said something: words,
// that is, with a space between them, beside the echo of a line without one.
func (term *Terminal) Answer(t testing.TB, line string) {
	t.Helper()
	before := len(term.Screen())
	term.Type(t, line)
	for deadline := time.Now().Add(program.Patience); ; time.Sleep(20 * time.Millisecond) {
		said := strings.TrimSpace(strings.Replace(term.Screen()[before:], line, "", 1))
		if strings.Contains(said, " ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the command says nothing to what was typed")
		}
	}
}

// Close closes the terminal's window: the system sends SIGHUP to what runs there.
func (term *Terminal) Close() {
	term.tty.Close()
}

// Wait returns the exit code.
func (term *Terminal) Wait(t testing.TB) int {
	t.Helper()
	select {
	case code := <-term.done:
		return code
	case <-time.After(commandTimeout):
		t.Fatalf("the command does not end; its terminal shows %q", term.Screen())
		return 0
	}
}
