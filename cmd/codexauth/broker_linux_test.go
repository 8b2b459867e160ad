package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// A container that has no network at all, and nothing in its file system but the
// binary and the broker's socket, gets tokens; so does curl get models.
func TestContainerNeedsASocketAndNothingElse(t *testing.T) {
	required := os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true"
	lacks := func(what string) {
		t.Helper()
		if required {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	if os.Geteuid() != 0 {
		lacks("only root may make namespaces and bind mounts")
	}
	for _, tool := range []string{"unshare", "mount", "chroot", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			lacks("this machine has no " + tool)
		}
	}
	if out, err := exec.Command("unshare", "-n", "-m", "true").CombinedOutput(); err != nil {
		lacks("this machine gives no namespaces: " + string(out))
	}
	b := newBox(t, sandbox.Config{})
	s, _, _ := newServed(t, b)
	root := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(root, "codexauth"), "codexauth/cmd/codexauth")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(root, "broker.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inside := func(script string, args ...string) result {
		cmd := exec.Command("unshare", append([]string{"-n", "-m", "--propagation", "private", "--", "sh", "-ec", `
			mount --bind "$ROOT" "$ROOT"
			mount --bind "$SOCKET" "$ROOT/broker.sock"
			mount -o remount,bind,ro "$ROOT"
			` + script, "sh"}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SOCKET=" + s.Socket, "ROOT=" + root, "CODEXAUTH_ISSUER=" + b.server.URL()}
		return finish(cmd)
	}
	r := inside(`! curl -sS "$CODEXAUTH_ISSUER" 2>&1`)
	if r.code != verdict.Done || !strings.Contains(r.stdout, "curl: (7)") {
		t.Fatalf("there is a network in there, which this test is to do without: %d %s %s", r.code, r.stdout, r.stderr)
	}
	const codexauth = `exec chroot "$ROOT" /codexauth --store broker+unix:/broker.sock "$@"`
	if token := wantToken(t, inside(codexauth, "token")); token != b.stored(t).AccessToken {
		t.Error("another token")
	}
	if r := inside(codexauth, "status", "--json"); r.code != verdict.Done || !strings.Contains(r.stdout, `"state":"valid"`) {
		t.Errorf("exit %d: %s %s", r.code, r.stdout, r.stderr)
	}
	r = inside(`exec curl -sS --unix-socket "$ROOT/broker.sock" http://broker/v1/models`)
	if r.code != verdict.Done || !strings.Contains(r.stdout, "gpt-sandbox") {
		t.Errorf("exit %d: %s %s", r.code, r.stdout, r.stderr)
	}
}
