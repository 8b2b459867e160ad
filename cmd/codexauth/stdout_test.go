package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// What nobody would get is not given up, and a token is not printed to nobody.
func TestNobodyGetsTheAnswer(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("this test needs a shell to close standard output")
	}
	b := newPatient(t)
	run := func(redirect string, args ...string) result {
		cmd := b.command(args...)
		cmd.Args = append([]string{sh, "-c", `exec "$0" "$@" ` + redirect, cmd.Path}, args...)
		cmd.Path = sh
		return finish(cmd)
	}
	for _, args := range [][]string{{"export", "--hand-over", "-"}, {"serve", "key", "add", "ci"}} {
		wantFailure(t, run(">&-", args...), verdict.Failed, "standard output is closed", "nothing was done")
		wantFailure(t, run(">/dev/null", args...), verdict.Failed, "null device", "nothing was done")
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	unread := b.command("serve", "key", "add", "ci")
	unread.Stdout = write
	if r := finish(unread); r.code != verdict.Failed {
		t.Errorf("a pipe that nobody reads: exit %d, %q", r.code, r.stderr)
	}
	write.Close()
	if r := run(">/dev/full", "serve", "key", "add", "ci"); r.code != verdict.Failed {
		t.Errorf("a full device: exit %d, %q", r.code, r.stderr)
	}
	for _, args := range [][]string{{"token"}, {"token", "--json"}, {"export", "-"}} {
		r := run(">&-", args...)
		if r.code != verdict.Failed || !strings.Contains(r.stderr, "standard output is closed") {
			t.Errorf("%v: exit %d, %q", args, r.code, r.stderr)
		}
		if r := run(">/dev/null", args...); r.code != verdict.Done {
			t.Errorf("%v to the null device: exit %d, %q", args, r.code, r.stderr)
		}
	}
	if r := b.run(t, "serve", "key", "list", "--json"); r.stdout != "[]\n" {
		t.Errorf("there are keys that nobody knows: %s", r.stdout)
	}
	wantToken(t, b.run(t, "token"))
}

// JSON shows what a terminal would obey as the escapes that they are.
func TestJSONObeysNobody(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	r := b.run(t, "--json", "--profile", "a\u009b31m\u202e\u200bb", "status")
	for _, said := range []string{r.stdout, r.stderr} {
		if strings.ContainsAny(said, "\u009b\u202e\u200b") {
			t.Errorf("it says %q", said)
		}
	}
	if !strings.Contains(r.stdout, `"a\u009b31m\u202e\u200bb"`) {
		t.Errorf("the profile is not told: %q", r.stdout)
	}
}
