package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// echoes reports whether the terminal shows what is typed.
func (term *terminal) echoes(t *testing.T) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(term.pty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// A signal ends the question for a passphrase, and the terminal echoes again.
func TestPassphraseIsInterrupted(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	before := b.stored(t)
	for name, stop := range map[string]func(*terminal){
		"Ctrl-C":  func(term *terminal) { term.typeIn(t, "\x03") },
		"SIGTERM": func(term *terminal) { _ = term.cmd.Process.Signal(syscall.SIGTERM) },
		"Ctrl-\\": func(term *terminal) { term.typeIn(t, "\x1c") },
	} {
		for _, args := range [][]string{{"store", "reseal", "--to", "prompt", "--no-remember"}, {"store", "seal", "--passphrase", "--no-remember"}, {"--identity-file", "prompt", "login", "--force", "--no-browser", "--no-remember"}} {
			term := atTerminal(t, b.command(args...))
			term.await(t, "Passphrase of ")
			stop(term)
			term.end(t, verdict.Cancelled)
			if !term.echoes(t) {
				t.Errorf("%s: what is typed is not shown any more", name)
			}
		}
	}
	if b.stored(t) != before {
		t.Error("the store was changed")
	}
}

// inBackground is a job in the background of an interactive shell's terminal.
func (b *box) inBackground(t *testing.T, args ...string) *terminal {
	t.Helper()
	cmd := b.command()
	script := `set -m; codexauth "$@" & wait $!`
	sh := b.command()
	sh.Path, sh.Args, sh.Err = "/bin/sh", append([]string{"sh", "-c", script, "sh"}, args...), nil
	sh.Env = append(cmd.Env, "PATH="+filepath.Dir(cmd.Path)+":/usr/bin:/bin")
	return atTerminal(t, sh)
}

// A sign-in in the background is not stopped because nobody can paste there.
func TestLoginInTheBackground(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	term := b.inBackground(t, "login", "--no-browser")
	term.await(t, "Waiting for you to sign in")
	if strings.Contains(term.screen(), "paste the address") {
		t.Error("it asks to paste where it can't read")
	}
	if err := follow(t.Context(), authorizeURL(term.screen())); err != nil {
		t.Error(err)
	}
	term.await(t, "Signed in as dev@sandbox.test")
	term.end(t, verdict.Done)
}

func TestQuestionInTheBackground(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	term := b.inBackground(t, "login")
	term.end(t, verdict.Failed)
	term.await(t, "--force")
}

// No question is put, and none waited for, where nobody can answer: in the background
// of a terminal, and where standard input is a pipe or nothing, as under xargs and make -j.
func TestQuestionsThatNobodyCanAnswer(t *testing.T) {
	for _, args := range [][]string{
		{"--identity-file", "prompt", "login", "--force", "--no-browser"},
		{"store", "reseal", "--to", "prompt"},
		{"store", "seal", "--passphrase"},
		{"profile", "rm", "default"},
	} {
		b := newBox(t, sandbox.Config{})
		b.signIn(t, "default")
		before := b.stored(t)
		b.inBackground(t, args...).end(t, verdict.Usage)
		pipe := b.command(args...)
		held, err := pipe.StdinPipe() // into which nobody ever writes
		if err != nil {
			t.Fatal(err)
		}
		piped, none := finish(pipe), b.run(t, args...)
		held.Close()
		if piped.code != verdict.Usage || none.code != verdict.Usage || b.stored(t) != before {
			t.Errorf("%v: exit %d, %d: %s%s", args, piped.code, none.code, piped.stderr, none.stderr)
		}
	}
}
