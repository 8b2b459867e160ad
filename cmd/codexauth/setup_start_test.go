//go:build unix

package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/freeport"
	"codexauth/sandbox"
)

// noServices is a box that is signed in, where the system runs no services for the
// user, and an address at which nobody listens.
func noServices(t *testing.T) (b *box, url string) {
	t.Helper()
	b = newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	program, err := exec.LookPath("codexauth")
	if err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "PATH="+filepath.Dir(program)) // no systemctl
	return b, "http://127.0.0.1:" + strconv.Itoa(freeport.One(t))
}

var startedProcess = regexp.MustCompile(`process (\d+)`)

// endAfter ends the broker that a setup says it has started; started says that one was.
func endAfter(t *testing.T, r result) (pid int, started bool) {
	t.Helper()
	process := startedProcess.FindStringSubmatch(r.stderr)
	if process == nil {
		return 0, false
	}
	pid, err := strconv.Atoi(process[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
	return pid, true
}

// Where the system runs no services for the user, setup leaves a broker behind that
// answers the tool, and is not started twice.
func TestSetupStartsABroker(t *testing.T) {
	b, url := noServices(t)
	if r := b.run(t, "setup", "opencode", "--url", url, "--no-start"); r.code != verdict.Done || !strings.Contains(r.stderr, "Nothing answers at "+url) {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	r := b.run(t, "setup", "opencode", "--url", url, "--start")
	if _, started := endAfter(t, r); r.code != verdict.Done || !started || !strings.Contains(r.stderr, "is ready") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if resp, err := http.Get(url + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("is it ready? %v, %v", resp, err)
	}
	if r := b.run(t, "setup", "opencode", "--url", url, "--start"); r.code != verdict.Done || strings.Contains(r.stderr, "process") {
		t.Errorf("again: exit %d: %s", r.code, r.stderr)
	}
	wantFailure(t, b.run(t, "setup", "opencode", "--start", "--no-start"), verdict.Usage, "contradict")
}

// Of several that want a broker at once, one starts it, and all find it ready.
func TestSetupsThatStartAtOnce(t *testing.T) {
	b, url := noServices(t)
	b.env = append(b.env, "HOME="+t.TempDir())
	tools := []string{"opencode", "pi", "cline", "continue"}
	results := make([]result, len(tools))
	var all sync.WaitGroup
	for i, name := range tools {
		cmd := b.command("setup", name, "--url", url, "--start")
		all.Go(func() { results[i] = finish(cmd) })
	}
	all.Wait()
	brokers := 0
	for i, r := range results {
		if _, started := endAfter(t, r); started {
			brokers++
		}
		if r.code != verdict.Done || !strings.Contains(r.stderr, "The broker at "+url+" is ready") {
			t.Errorf("%s: exit %d: %s", tools[i], r.code, r.stderr)
		}
	}
	if brokers != 1 {
		t.Errorf("%d brokers were started", brokers)
	}
}

// mostLog is how many bytes such a log may have.
const mostLog = 8 << 20

// The log of a broker in the background does not grow without end, and a request whose
// answer somebody has stands in it, also when the broker is killed.
func TestLogOfABrokerInTheBackground(t *testing.T) {
	b, url := noServices(t)
	port := url[strings.LastIndex(url, ":")+1:]
	path := filepath.Join(b.home, "serve-127.0.0.1-"+port+".log")
	const before = "level=INFO msg=before\n"
	write(t, path, strings.Repeat(before, mostLog/len(before)+1))
	r := b.run(t, "setup", "opencode", "--url", url, "--start")
	pid, started := endAfter(t, r)
	if !started || !strings.Contains(r.stderr, path) {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	key := strings.TrimSpace(contentOf(t, filepath.Join(b.home, "tool-keys", "opencode")))
	const requests = 5
	for range requests {
		req, err := http.NewRequest("GET", url+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	log, older := contentOf(t, path), contentOf(t, path+".1")
	if n := strings.Count(log, "path=/v1/models"); n < requests || len(log) > mostLog/2 {
		t.Errorf("%d bytes, with %d requests", len(log), n)
	}
	if !strings.HasPrefix(older, before) || len(older) < mostLog {
		t.Errorf("%d bytes are kept", len(older))
	}
	for _, name := range []string{path, path + ".1"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
}
