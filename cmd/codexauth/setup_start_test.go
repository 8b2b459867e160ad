//go:build unix

package main

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/freeport"
	"codexauth/sandbox"
)

// Where the system runs no services for the user, setup leaves a broker behind that
// answers the tool, and is not started twice.
func TestSetupStartsABroker(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	program, err := exec.LookPath("codexauth")
	if err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "PATH="+filepath.Dir(program)) // no systemctl
	url := "http://127.0.0.1:" + strconv.Itoa(freeport.One(t))
	if r := b.run(t, "setup", "opencode", "--url", url, "--no-start"); r.code != verdict.Done || !strings.Contains(r.stderr, "Nothing answers at "+url) {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	r := b.run(t, "setup", "opencode", "--url", url, "--start")
	process := regexp.MustCompile(`process (\d+)`).FindStringSubmatch(r.stderr)
	if r.code != verdict.Done || process == nil || !strings.Contains(r.stderr, "is ready") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	pid, err := strconv.Atoi(process[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	if resp, err := http.Get(url + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("is it ready? %v, %v", resp, err)
	}
	if r := b.run(t, "setup", "opencode", "--url", url, "--start"); r.code != verdict.Done || strings.Contains(r.stderr, "process") {
		t.Errorf("again: exit %d: %s", r.code, r.stderr)
	}
	wantFailure(t, b.run(t, "setup", "opencode", "--start", "--no-start"), verdict.Usage, "contradict")
}
