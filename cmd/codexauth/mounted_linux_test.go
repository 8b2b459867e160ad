package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// inMounts runs a command where a script has changed what is mounted at place, which is
// its $1.
func (b *box) inMounts(t *testing.T, script, place string, args ...string) result {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	cmd := b.command(args...)
	script = "set -e\nmount --make-rprivate /\n" + script + "\nshift; exec \"$@\""
	cmd.Args = append([]string{"sh", "-c", script, "sh", place, cmd.Path}, args...)
	cmd.Path = "/bin/sh"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	r := finish(cmd)
	if strings.Contains(r.stderr, "mount:") {
		t.Skipf("no mounts available: %s", r.stderr)
	}
	return r
}

// mounted runs a command with path a mount point, as a container has it that is given
// just this file.
func (b *box) mounted(t *testing.T, path, options string, args ...string) result {
	t.Helper()
	script := `mount --bind "$1" "$1"`
	if options != "" {
		script += "; mount -o remount,bind," + options + ` "$1"`
	}
	return b.inMounts(t, script, path, args...)
}

func TestImportOfAMountedFile(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	path := filepath.Join(t.TempDir(), "auth.json")
	login := b.server.Issue(sandbox.User{})
	content := authJSON(t, login.AccessToken, login.RefreshToken)
	content = strings.Replace(content, `"OPENAI_API_KEY":null`, `"OPENAI_API_KEY":"mine"`, 1)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}

	// One that can't be written: nothing is stored, and the file is as it was.
	r := b.mounted(t, path, "ro", "import", path)
	if r.code != verdict.Failed || !strings.Contains(r.stderr, "nothing was imported") {
		t.Errorf("read-only: exit %d: %s", r.code, r.stderr)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != content {
		t.Errorf("the file was changed: %v", err)
	}
	wantFailure(t, b.run(t, "token"), verdict.SignedOut, "not signed in")

	r = b.mounted(t, path, "", "import", path)
	if r.code != verdict.Done || !strings.Contains(r.stderr, "taken out of it in place") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	wantToken(t, b.run(t, "token"))
	if now, err := os.ReadFile(path); err != nil || strings.Contains(string(now), "tokens") || !strings.Contains(string(now), `"mine"`) {
		t.Errorf("the file now holds %q, %v", now, err)
	}
}

// fullDisk makes $1 a file system without room.
const fullDisk = `mkdir -p "$1"
mount -t tmpfs -o size=64k,mode=700 tmpfs "$1"
dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null || true`

// Nobody is sent to sign in for a login that can't be saved.
func TestLoginOnAFullDisk(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	r := b.inMounts(t, fullDisk, b.home, "login", "--no-browser")
	if r.code == verdict.Done || authorizeURL(r.stderr) != "" || !strings.Contains(r.stderr, "no space left") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// A login goes nowhere else if its store can't let go of it: it would be in two
// places.
func TestMovesOffAFullDisk(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	there := t.TempDir()
	for _, args := range [][]string{
		{"export", "--hand-over", filepath.Join(there, "auth.json")},
		{"store", "copy", "file:" + b.home, "file:" + filepath.Join(there, "store")},
	} {
		r := b.inMounts(t, hardships["full"], b.home, args...)
		if r.code == verdict.Done || !strings.Contains(r.stderr, "no space left") {
			t.Errorf("%s: exit %d: %s", args[0], r.code, r.stderr)
		}
	}
	for _, left := range []string{"auth.json", "store/record-default"} {
		if _, err := os.Stat(filepath.Join(there, left)); err == nil {
			t.Errorf("%s is there, and the store still holds the login", left)
		}
	}
	wantToken(t, b.run(t, "token"))
}

// The same where no file may grow any more.
func TestLoginUnderAFileSizeLimit(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	cmd := b.command("login", "--no-browser")
	cmd.Args = append([]string{"sh", "-c", `ulimit -f 1; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	if r := finish(cmd); r.code == verdict.Done || authorizeURL(r.stderr) != "" || !strings.Contains(r.stderr, "file too large") {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}
