package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth/internal/rig/program"
)

// A Login is a `codexauth login` that waits for its callback.
type Login struct {
	// URL is the authorization URL that it told the person to open.
	URL string
	// Opened is what it gave to the browser: that URL, or a link that leads to
	// it. Empty without a browser.
	Opened string

	cmd    *exec.Cmd
	cancel context.CancelFunc
	stdout *program.Text
	stderr *program.Text
}

// StartLogin runs `codexauth login --no-browser` and waits for the URL that it prints.
func (c *CLI) StartLogin(t testing.TB, flags ...string) *Login {
	t.Helper()
	l := c.startLogin(t, nil, append([]string{"--no-browser"}, flags...))
	l.URL = awaitURL(t, l.stderr, func() string { return authorizeURLIn(l.stderr.String()) })
	return l
}

// StartLoginWithBrowser runs `codexauth login` with a BROWSER that only notes
// what it is given.
func (c *CLI) StartLoginWithBrowser(t testing.TB, flags ...string) *Login {
	t.Helper()
	dir := t.TempDir()
	browser, note := filepath.Join(dir, "browser"), filepath.Join(dir, "url")
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$1\" >'%s'\n", note)
	if err := os.WriteFile(browser, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	l := c.startLogin(t, []string{"BROWSER=" + browser}, flags)
	l.URL = awaitURL(t, l.stderr, func() string { return authorizeURLIn(l.stderr.String()) })
	l.Opened = awaitURL(t, l.stderr, func() string {
		content, _ := os.ReadFile(note)
		opened, whole := strings.CutSuffix(string(content), "\n")
		if !whole {
			return "" // not there yet
		}
		return opened
	})
	return l
}

func (c *CLI) startLogin(t testing.TB, env, flags []string) *Login {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*commandTimeout)
	l := &Login{
		cmd:    c.command(ctx, append([]string{"login"}, flags...)...),
		cancel: cancel,
		stdout: &program.Text{},
		stderr: &program.Text{},
	}
	l.cmd.Env = append(l.cmd.Env[:len(l.cmd.Env):len(l.cmd.Env)], env...)
	l.cmd.Stdout, l.cmd.Stderr = l.stdout, l.stderr
	if err := l.cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if l.cmd.ProcessState == nil {
			l.cmd.Wait()
		}
	})
	return l
}

// awaitURL polls for the URL that a login shows when it listens.
func awaitURL(t testing.TB, said *program.Text, url func() string) string {
	t.Helper()
	for deadline := time.Now().Add(program.Patience); time.Now().Before(deadline); {
		if found := url(); found != "" {
			return found
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("login showed no URL; it said %q", said)
	return ""
}

var authorizeURL = regexp.MustCompile(`https?://\S+[?&]code_challenge=\S+`)

func authorizeURLIn(text string) string {
	if !strings.Contains(text, "\n") {
		return ""
	}
	return authorizeURL.FindString(text[:strings.LastIndexByte(text, '\n')])
}

// Interrupt presses Ctrl-C and returns what the login came to.
func (l *Login) Interrupt(t testing.TB) Result {
	t.Helper()
	if err := l.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	return l.Wait(t)
}

// Wait returns what the login came to.
func (l *Login) Wait(t testing.TB) Result {
	t.Helper()
	defer l.cancel()
	err := l.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("codexauth login: %v", err)
	}
	return Result{Stdout: l.stdout.String(), Stderr: l.stderr.String(), Code: l.cmd.ProcessState.ExitCode()}
}
