package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/sockets"
	"codexauth/sandbox"
)

// usualListen is where a broker listens for tools that can't use a socket.
const usualListen = "127.0.0.1:8461"

// serviceBox is a box with a systemctl that writes down what it is told.
func serviceBox(t *testing.T, systemctl string) (b *box, units, told string) {
	t.Helper()
	b = newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	bin := t.TempDir()
	told = filepath.Join(bin, "told")
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\necho \"$@\" >> "+told+"\n"+systemctl), 0o700); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "HOME="+filepath.Dir(b.home), "XDG_CONFIG_HOME="+filepath.Join(filepath.Dir(b.home), "config"), "PATH="+bin+":"+os.Getenv("PATH"))
	return b, filepath.Join(filepath.Dir(b.home), "config", "systemd", "user"), told
}

func (b *box) setupService(t *testing.T, args ...string) result {
	t.Helper()
	return b.setupOf(t, append([]string{"service"}, args...)...)
}

// lines of a file, or none.
func lines(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// The service is set up once, changed when its settings are, and taken back whole; it
// listens on TCP only where it was asked to.
func TestSetupService(t *testing.T) {
	b, units, told := serviceBox(t, "[ \"$2\" = is-active ] && echo active\nexit 0\n")
	if r := b.setupService(t, "--status"); r.code != verdict.Done || !strings.Contains(r.stderr, "not set up") {
		t.Errorf("before: %+v", r)
	}
	if r := b.run(t, "setup", "service", "--status"); r.code != verdict.Done || !strings.Contains(r.stderr, "not set up") {
		t.Errorf("asked by a program that can't be set up: %+v", r)
	}
	r := b.setupService(t)
	if r.code != verdict.Done || !strings.Contains(r.stderr, "serve.sock") || strings.Contains(r.stderr, "http") {
		t.Fatalf("%+v", r)
	}
	if got := lines(t, told); !slices.Equal(got[:3], []string{"--user show-environment", "--user daemon-reload", "--user enable --now codexauth.socket"}) {
		t.Errorf("systemd was told %q", got)
	}
	socket, service := contentOf(t, filepath.Join(units, "codexauth.socket")), contentOf(t, filepath.Join(units, "codexauth.service"))
	if strings.Count(socket, "ListenStream=") != 1 || !strings.Contains(socket, "ListenStream="+filepath.Join(b.home, "serve.sock")) {
		t.Errorf("%s", socket)
	}
	if strings.Contains(service, b.stored(t).AccessToken) || !strings.Contains(service, `ExecStart="/opt/bin/codexauth" "--profile" "default" "--store" "file:`+b.home+`"`) {
		t.Errorf("%s", service)
	}
	if r := b.setupService(t); !strings.Contains(r.stderr, "nothing was changed") || !strings.Contains(r.stderr, "active") || slices.Contains(lines(t, told)[4:], "--user daemon-reload") {
		t.Errorf("again: %+v", r)
	}
	r = b.setupService(t, "--listen", usualListen)
	if r.code != verdict.Done || !strings.Contains(r.stderr, "OPENAI_BASE_URL=http://"+usualListen+"/v1") {
		t.Errorf("with TCP: %+v", r)
	}
	if text := contentOf(t, filepath.Join(units, "codexauth.socket")); strings.Count(text, "ListenStream=") != 2 || !strings.Contains(text, "ListenStream="+usualListen+"\n") {
		t.Errorf("%s", text)
	}
	if r := b.setupService(t, "--status"); !strings.Contains(r.stderr, "other settings") {
		t.Errorf("other settings: %+v", r)
	}
	if r := b.setupService(t, "--undo"); r.code != verdict.Done {
		t.Errorf("undo: %+v", r)
	}
	if left, _ := os.ReadDir(units); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if r := b.setupService(t, "--undo"); r.code != verdict.Done || !strings.Contains(r.stderr, "nothing was changed") {
		t.Errorf("undo again: %+v", r)
	}
}

// Whatever goes wrong leaves everything as it was.
func TestSetupServiceThatFails(t *testing.T) {
	b, units, _ := serviceBox(t, "[ \"$2\" = enable ] && { echo no such bus >&2; exit 1; }\nexit 0\n")
	wantFailure(t, b.setupService(t), verdict.Failed, "no such bus")
	if left, _ := os.ReadDir(units); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, args := range [][]string{{"--listen", "0.0.0.0:8461"}, {"--listen", "8461"}, {"--listen", "127.0.0.1:0"}, {"--print", "--undo"}, {"--identity-file", "prompt"}} {
		if r := b.setupService(t, args...); r.code != verdict.Usage {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if err := os.MkdirAll(units, 0o700); err != nil {
		t.Fatal(err)
	}
	const own = "[Service]\nExecStart=/home/me/mine serve\n"
	path := filepath.Join(units, "codexauth.service")
	if err := os.WriteFile(path, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"--undo"}} {
		wantFailure(t, b.setupService(t, args...), verdict.Failed, "did not write")
	}
	if contentOf(t, path) != own {
		t.Error("somebody's own unit was changed")
	}
}

// A store whose password would have to stand in the unit is refused.
func TestSetupServiceHoldsNoPassword(t *testing.T) {
	b, units, _ := serviceBox(t, "exit 0\n")
	r := b.setupService(t, "--store", "postgres://me:hunter2@db.example/x")
	if r.code != verdict.Usage || strings.Contains(r.stderr, "hunter2") || !strings.Contains(r.stderr, "passfile") {
		t.Errorf("%+v", r)
	}
	if left, _ := os.ReadDir(units); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What the unit says runs, and serves the socket that it is handed.
func TestUnitOfSetupServiceRuns(t *testing.T) {
	b, _, _ := serviceBox(t, "exit 0\n")
	r := b.setupService(t, "--print")
	if r.code != verdict.Done {
		t.Fatalf("%+v", r)
	}
	line := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(r.stdout)
	var words []string
	for _, m := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(line[1], -1) {
		words = append(words, m[1])
	}
	path := filepath.Join(b.home, "serve.sock")
	socket := sockets.HandedOver(t, "unix", path)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec codexauth "$@"`, "sh"}, words[1:]...)...)
	cmd.Env, cmd.ExtraFiles = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LISTEN_FDS=1"}, []*os.File{socket}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); _ = cmd.Wait() })
	s := &served{Socket: path}
	if status, text := s.ask(t, "GET", "/v1/models", ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
}

// What stands in a unit makes no line of its own there.
func TestSetupServiceWritesNoForgedLine(t *testing.T) {
	b, _, _ := serviceBox(t, "exit 0\n")
	if r := b.setupService(t, "--print", "--store", "file:"+t.TempDir()+"/a\nListenStream=9"); r.code != verdict.Usage || r.stdout != "" {
		t.Errorf("%+v", r)
	}
}
