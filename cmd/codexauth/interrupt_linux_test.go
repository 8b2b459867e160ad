package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// Ctrl-C at a terminal ends whatever waits, with one exit code; what runs until Ctrl-C
// has done what it was asked to.
func TestCtrlC(t *testing.T) {
	for name, tt := range map[string]struct {
		args  []string
		shows string // when it waits
		code  int
	}{
		"browser":    {[]string{"login", "--no-browser", "--force"}, "Waiting for you to sign in", verdict.Cancelled},
		"device":     {[]string{"login", "--device", "--force"}, "left (Ctrl-C cancels)…", verdict.Cancelled},
		"passphrase": {[]string{"--identity-file", "prompt", "login", "--force", "--no-remember"}, "Passphrase of ", verdict.Cancelled},
		"import":     {[]string{"--profile", "other", "import"}, "[y/N] ", verdict.Cancelled},
		"rm":         {[]string{"profile", "rm", "default"}, "[y/N] ", verdict.Cancelled},
		"token":      {[]string{"token", "--min-valid", "100h"}, "waiting for a refresh", verdict.Cancelled},
		"refresh":    {[]string{"refresh"}, "waiting for a refresh", verdict.Cancelled},
		"usage":      {[]string{"status", "--usage"}, "waiting for the backend…", verdict.Cancelled},
		"exec":       {[]string{"exec", "--", "sh", "-c", "echo ready; exec sleep 60"}, "ready", exitBySignal + 2}, // the program's
		"monitor":    {[]string{"monitor", "--listen", "127.0.0.1:0"}, "watching over ", verdict.Done},
		"serve":      {[]string{"serve"}, "serving on ", verdict.Done},
		"sandbox":    {[]string{"sandbox", "--port", "0"}, "Ctrl-C ends it.", verdict.Done},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, sandbox.Config{DeviceInterval: time.Second})
			if name == "import" {
				b.plantOpencode(t)
			}
			shortHome(t, b)
			b.signIn(t, "default")
			if name == "token" {
				b.server.SetAccessTTL(-time.Hour)
				b.signIn(t, "default")
			}
			before := b.stored(t)
			b.setFaults(t, "latency=20s", "backend-latency=20s")
			term := atTerminal(t, b.command(tt.args...))
			term.await(t, tt.shows)
			term.typeIn(t, "\x03")
			term.end(t, tt.code)
			if b.stored(t) != before {
				t.Error("it changed the login")
			}
		})
	}
}

// A token that would do is not given to somebody who has pressed Ctrl-C.
func TestCtrlCGivesNoToken(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	for _, pair := range b.env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(run.Stopped{Signal: os.Interrupt})
	a := &app{Run: &run.Run{Terminal: ui.Terminal{Stdin: os.Stdin, Stdout: out, Stderr: os.Stderr}, HeedSignals: func() {}}}
	root := a.rootCommand()
	root.SetArgs([]string{"token"})
	if code := a.Report(ctx, root.ExecuteContext(ctx)); code != verdict.Cancelled {
		t.Errorf("exit code %d", code)
	}
	if text := contentOf(t, out.Name()); text != "" {
		t.Errorf("it gave %d bytes", len(text))
	}
}

// A sign-out whose server does not answer is left by Ctrl-C, too: the login is gone here,
// and the person is told that the server may not know.
func TestCtrlCAtASignOut(t *testing.T) {
	t.Parallel()
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	b.setFaults(t, "revoke-latency=1h")
	term := atTerminal(t, b.command("logout"))
	term.await(t, "waiting for the server")
	term.typeIn(t, "\x03")
	term.await(t, "the server's session may live on")
	term.end(t, verdict.Cancelled)
	if r := b.run(t, "status"); r.code != verdict.SignedOut {
		t.Errorf("status is %+v", r)
	}
}

// plantOpencode signs opencode in, and returns the path of its file.
func (b *box) plantOpencode(t *testing.T) (path string) {
	t.Helper()
	tokens := b.server.Issue(sandbox.User{})
	path = filepath.Join(filepath.Dir(b.home), ".local/share/opencode/auth.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, entryOf(t, stored{AccessToken: tokens.AccessToken, RefreshToken: tokens.RefreshToken}))
	return path
}
