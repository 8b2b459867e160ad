package e2e

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
)

var frontURL = regexp.MustCompile(`base_url="http://(127\.0\.0\.1:\d+)/`)

// Ctrl-C at a terminal, in the middle of an answer to the official CLI: it ends
// as it does by itself, nothing is left of it or of us, and the login is whole.
func TestExecInterrupted(t *testing.T) {
	t.Parallel()
	st := newStage(t, time.Hour)
	codex := rig.NewOfficial(t)
	path, env := codex.Tool()
	mark := rig.NewMark(t)
	gate := st.tap.Hold()
	term := st.cli.With(append(env, string(mark))...).OnTerminal(t, "exec", "--", path, "exec", "--skip-git-repo-check", "hello")
	gate.Next(t)
	var front string
	for _, p := range mark.Processes() {
		if m := frontURL.FindStringSubmatch(p.Command); m != nil {
			front = m[1]
		}
	}
	if front == "" || !reachable(front) {
		t.Fatalf("there is no front to be reached at %q", front)
	}
	term.Type(t, "\x03")
	// That CLI takes Ctrl-C itself, and ends with 1 where a shell would say 130.
	if code := term.Wait(t); code != 1 || !strings.Contains(term.Screen(), "turn interrupted") {
		t.Errorf("exit %d, want 1; the terminal shows %q", code, term.Screen())
	}
	mark.AwaitNone(t)
	if reachable(front) {
		t.Error("the front can still be reached")
	}
	seen := st.tap.Seen()
	select {
	case <-seen[len(seen)-1].Ended:
	case <-time.After(10 * time.Second):
		t.Error("the answer is still under way at the backend")
	}
	gate.Open()
	run := official(t, st, "exec")
	wantEcho(t, run("again"), "again")
	wantCode(t, "refresh", st.cli.Run(t, "refresh"), exitDone)
	st.wantRefreshes(t, 1)
}

func reachable(address string) bool {
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// A pipeline of the shell is one command like any other.
func TestExecPipeline(t *testing.T) {
	t.Parallel()
	st := newStage(t, time.Hour)
	mark := rig.NewMark(t)
	w := st.cli.ThroughExec().With(string(mark))
	script := `printf 'Authorization: Bearer %s\n' "$OPENAI_API_KEY" |
		curl -sSN -H @- -H 'Content-Type: application/json' -d "$1" "$OPENAI_BASE_URL/responses" |
		sed -n 's/^event: //p' | tail -n 1; exit 7`
	r := w.Run(t, "sh", "-c", script, "sh", prompt("hello"))
	if r.Code != 7 || r.Stdout != "response.completed\n" {
		t.Errorf("exit %d, %q; it said %q", r.Code, r.Stdout, r.Stderr)
	}
	mark.AwaitNone(t)
	st.wantSigned(t)
}

// A child that gets away from the command outlives it, and is left with a key
// that opens nothing.
func TestExecOutlived(t *testing.T) {
	t.Parallel()
	st := newStage(t, time.Hour)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	const child = `until test -e go; do sleep 0.05; done
		printf 'Authorization: Bearer %s\n' "$OPENAI_API_KEY" | curl -sS -m 20 -H @- "$OPENAI_BASE_URL/models" >answer 2>&1
		echo "exit $?" >>answer; mv answer done`
	w := st.cli.ThroughExec()
	begun := time.Now()
	r := w.Run(t, "sh", "-c", `cd "$1"; setsid sh -c "$2" </dev/null >/dev/null 2>&1 & printf '%s' "$OPENAI_API_KEY"`, "sh", dir, child)
	if r.Code != 0 || !strings.HasPrefix(r.Stdout, "codexauth_") {
		t.Fatalf("exit %d; it said %q", r.Code, r.Stderr)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("exec waited %v for a child that was let go", took)
	}
	if err := os.WriteFile(file("go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the child to try its key", func() bool { _, err := os.Stat(file("done")); return err == nil })
	if got := readText(t, file("done")); !strings.HasSuffix(got, "exit 7\n") { // curl's "failed to connect"
		t.Errorf("the child that outlived its command got %q", got)
	}
	// Whoever listens there next does not know the key either.
	key := r.Stdout
	talk := w.Talk(t, "sh", "-c", `echo "$OPENAI_BASE_URL"; read -r wait`)
	e := sdk(t, rig.Way{}.With("OPENAI_BASE_URL="+talk.Hear(t), "OPENAI_API_KEY="+key), "models").Error
	if e == nil || e.Class != "AuthenticationError" {
		t.Errorf("the front of another run answers the old key with %+v", e)
	}
	talk.Close(t)
	if n := len(st.tap.Seen()); n != 0 {
		t.Errorf("%d requests came to the backend", n)
	}
}
