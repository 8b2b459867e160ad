package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// readOnly runs the rest of its arguments where every file system is read-only,
// which it makes sure of.
const readOnly = `set -e
mount --make-rprivate /
while read -r _ place _; do
	case $place in /proc|/proc/*|/sys|/sys/*|/dev/pts) continue;; esac
	mount -o remount,ro,bind "$place" 2>/dev/null || true
done </proc/self/mounts
for place in / /tmp /var/tmp /run /dev/shm "$HOME" "$TMPDIR"; do
	if touch "$place/written" 2>/dev/null; then echo "$place can be written" >&2; exit 99; fi
done
exec "$@"`

// readOnlyCommand is command on a machine whose only writable place is the database.
func (b *box) readOnlyCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", readOnly, "sh", "codexauth"}, args...)...)
	cmd.Env = slices.Concat(b.env, []string{"XDG_RUNTIME_DIR=/run/user/nobody"})
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	return cmd
}

// TestReadOnlyFileSystem: with a login in a database no command needs a place to
// write on this machine.
func TestReadOnlyFileSystem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	b := newShared(t, sandbox.Config{})
	run := func(args ...string) result { return finish(b.readOnlyCommand(args...)) }
	if r := run("version"); r.code != verdict.Done {
		if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true" {
			t.Fatalf("exit %d: %s", r.code, r.stderr)
		}
		t.Skipf("no read-only file systems available: exit %d: %s", r.code, r.stderr)
	}
	wantFailure(t, run("token"), verdict.SignedOut, "not signed in")

	// Import, from a file that nothing can be done to, and from standard input.
	auth := filepath.Join(b.home, "..", "auth.json")
	login := b.server.Issue(sandbox.User{})
	content, err := json.Marshal(map[string]any{"auth_mode": "chatgpt", "tokens": map[string]string{
		"id_token": login.IDToken, "access_token": login.AccessToken, "refresh_token": login.RefreshToken, "account_id": login.AccountID,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(auth, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := b.readOnlyCommand("import", "-")
	cmd.Stdin = strings.NewReader(string(content))
	if r := finish(cmd); r.code != verdict.Done {
		t.Fatalf("import: exit %d: %s", r.code, r.stderr)
	}
	first := wantToken(t, run("token"))
	if first != login.AccessToken {
		t.Error("another token than was imported")
	}
	wantToken(t, run("token", "--repeat-means-refused"))
	if r := run("refresh"); r.code != verdict.Done {
		t.Errorf("refresh: exit %d: %s", r.code, r.stderr)
	}
	if r := run("status", "--json"); r.code != verdict.Done || !strings.Contains(r.stdout, `"state":"valid"`) {
		t.Errorf("status: exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	b.signsInReadOnly(t)

	// Without a lock file every process has a child of its own, and the database
	// alone decides.
	b.expire(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if r := run("token"); r.code != verdict.Done {
				t.Errorf("token: exit %d: %s", r.code, r.stderr)
			}
		})
	}
	all.Wait()
	if c := b.server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
		t.Errorf("%d token requests, %d reuses; want 1, 0", c.TokenRequests, c.Reuses)
	}
	wantFailure(t, run("serve"), verdict.Usage, "--socket")
	wantFailure(t, run("serve", "key", "add", "x"), verdict.Usage, "--key-file")
	if r := run("logout"); r.code != verdict.Done {
		t.Errorf("logout: exit %d: %s", r.code, r.stderr)
	}
}

// signsInReadOnly signs in with the address that is printed.
func (b *box) signsInReadOnly(t *testing.T) {
	t.Helper()
	cmd := b.readOnlyCommand("login", "--no-browser", "--force")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // an error: it has ended
	r := &running{cmd: cmd, stderr: bufio.NewReader(pipe)}
	address := r.await(t, "code_challenge=")
	if err := follow(t.Context(), address); err != nil {
		t.Error(err)
	}
	if ended := r.end(t); ended.code != verdict.Done {
		t.Fatalf("login: exit %d: %s", ended.code, ended.stderr)
	}
}
