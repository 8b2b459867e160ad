package main

import (
	"strings"
	"syscall"
	"testing"

	"codexauth/sandbox"
)

// Ctrl-C at a terminal reaches the command once, not once more through us, and
// ends only what the command ends.
func TestExecAtATerminal(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	term := atTerminal(t, b.agent(t, "wait:terminated"))
	term.await(t, "ready ")
	for range 2 {
		before := strings.Count(term.screen(), "got interrupt\n")
		term.typeIn(t, "\x03")
		term.await(t, strings.Repeat("got interrupt\n^C", before)+"got interrupt\n")
	}
	if err := term.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	term.await(t, "got terminated\n")
	term.end(t, 9)
	if got := strings.Count(term.screen(), "got interrupt\n"); got != 2 {
		t.Errorf("two Ctrl-C came as %d: %q", got, term.screen())
	}
}
