package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// A key that is revoked while the server can't open a file counts until it can,
// and no longer.
func TestKeyRevokedWhenNoFileCanBeOpened(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	key := strings.TrimSpace(b.run(t, "serve", "key", "add", "laptop").stdout)
	s := b.start(t, "serve", "--listen", "127.0.0.1:0")
	base := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(s.await(t, "http://127.0.0.1:"))
	hc := &http.Client{Transport: &http.Transport{}} // one connection: the server has no descriptor for another
	defer hc.CloseIdleConnections()
	ask := func() int {
		req, err := http.NewRequest("GET", base+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body) // for the connection to be used again
		return resp.StatusCode
	}
	if status := ask(); status != 200 {
		t.Fatalf("a good key: %d", status)
	}
	mayOpen := func(files uint64) {
		if err := unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: 4096}, nil); err != nil {
			t.Fatal(err)
		}
	}
	mayOpen(3)
	if r := b.run(t, "serve", "key", "revoke", "laptop"); r.code != verdict.Done {
		t.Fatalf("revoke: %s", r.stderr)
	}
	s.await(t, "read again every second")
	go io.Copy(io.Discard, s.stderr)
	mayOpen(1024)
	becomes(t, "a key that was revoked meanwhile", 401, ask)
}

// A client leases nothing from another user's broker, and sends it nothing, unless
// the address names that user.
func TestStrangersBroker(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	const stranger = 65534
	b := newBox(t, sandbox.Config{})
	public, err := os.MkdirTemp("", "cx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(public) })
	program := filepath.Join(public, "codexauth")
	home := filepath.Join(public, "home")
	if err := signIn(b.server, home, "default"); err != nil {
		t.Fatal(err)
	}
	copyProgram(t, program)
	for path, mode := range map[string]os.FileMode{public: 0o777 | os.ModeSticky, program: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(public, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(public, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == public {
			return err
		}
		return os.Chown(path, stranger, stranger)
	})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(home, "serve.sock")
	theirs := &running{cmd: b.command("serve", "--allow-uid", "0")}
	theirs.cmd.Path = program
	theirs.cmd.Env = append(b.env, "CODEXAUTH_HOME="+home, "HOME="+public, "TMPDIR="+filepath.Join(public, "tmp"))
	theirs.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	theirs.begin(t)
	theirs.await(t, socket)
	eventually(t, "their socket", func() bool { _, err := os.Lstat(socket); return err == nil })
	go io.Copy(io.Discard, theirs.stderr)

	r := b.run(t, "--store", "broker+unix:"+socket, "token")
	if r.code != verdict.Usage || r.stdout != "" || !strings.Contains(r.stderr, "another user") {
		t.Errorf("exit %d: %q %s", r.code, r.stdout, r.stderr)
	}
	// Theirs serves us, and leases to its own user alone.
	r = b.run(t, "--store", "broker+unix:"+socket+"?uid="+strconv.Itoa(stranger), "token")
	if r.code != verdict.Usage || !strings.Contains(r.stderr, "this key is for the proxy only") {
		t.Errorf("as the address names them: exit %d: %s", r.code, r.stderr)
	}
}

// copyProgram puts the program of these tests where every user may run it.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
}
