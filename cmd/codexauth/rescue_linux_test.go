package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// volume gives a box a small file system for everything that it writes: store,
// home and temporary directory.
func (b *box) volume(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := filepath.Join(t.TempDir(), "volume")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" || os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	b.home = filepath.Join(dir, "home", "store")
	for _, d := range []string{filepath.Dir(b.home), filepath.Join(dir, "tmp")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.setenv("HOME="+filepath.Dir(b.home), "TMPDIR="+filepath.Join(dir, "tmp"), "CODEXAUTH_HOME="+b.home)
	return dir
}

// fillUp leaves no byte of a volume free.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "filler"), make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the volume did not fill up: %v", err)
	}
}

// One file system for store, home and temporary directory, full from the moment
// the request has left: the new token is saved at once, in room that was reserved.
func TestFullDiskWhileTheRequestIsOut(t *testing.T) {
	b := newBox(t, sandbox.Config{AccessTTL: -time.Hour})
	dir := b.volume(t)
	b.signIn(t, "default")
	b.server.SetAccessTTL(time.Hour)
	b.server.ResetCounters()
	b.setFaults(t, "latency-after=700ms")
	r := b.start(t, "token")
	eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
	fillUp(t, dir)
	if ended := r.end(t); ended.code != verdict.Done {
		t.Fatalf("exit %d: %s", ended.code, ended.stderr)
	}
	wantToken(t, b.run(t, "token")) // the disk is still full
	if c := b.server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
		t.Errorf("counters %+v", c)
	}
}

// A disk that is full before costs no request.
func TestFullDiskBeforeTheRequest(t *testing.T) {
	b := newBox(t, sandbox.Config{AccessTTL: -time.Hour})
	dir := b.volume(t)
	b.signIn(t, "default")
	b.server.SetAccessTTL(time.Hour)
	b.server.ResetCounters()
	fillUp(t, dir)
	wantFailure(t, b.run(t, "token"), verdict.Failed, "nothing was sent", "free some space")
	if n := b.server.Counters().TokenRequests; n != 0 {
		t.Errorf("%d requests", n)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	wantToken(t, b.run(t, "token"))
}

// spill leaves the box with a rescue file and the note that announced it, as if
// the store's file system had failed in mid-refresh: its directory is moved away
// while the request is out, and comes back when the child has given up.
func (b *box) spill(t *testing.T) (file string) {
	t.Helper()
	b.setFaults(t, "latency-after=700ms*1@refresh")
	r := b.start(t, "token")
	eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
	away := b.home + "-away"
	if err := os.Rename(b.home, away); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a rescue file", func() bool { return len(b.rescues(t)) == 2 })
	child := childOf(t, r.cmd.Process.Pid)
	for _, pid := range []int{child, r.cmd.Process.Pid} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	r.end(t)
	eventually(t, "the child's end", func() bool { return ended(child) })
	wantFailure(t, b.run(t, "token"), verdict.SignedOut, "a rescued login waits in ", "codexauth-rescue", "bring that store back")
	if r := b.run(t, "status"); !strings.Contains(r.stdout, "a rescued login waits in") {
		t.Errorf("status: %s", r.stdout)
	}
	os.RemoveAll(b.home) // a directory for locks
	if err := os.Rename(away, b.home); err != nil {
		t.Fatal(err)
	}
	return b.rescues(t)[0]
}

// ended reports whether a process has finished.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// childOf is the one child of a process.
func childOf(t *testing.T, parent int) int {
	t.Helper()
	var all []string
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, path := range paths {
		all = append(all, strings.Fields(contentOf(t, path))...)
	}
	if len(all) != 1 {
		t.Fatalf("process %d has the children %v", parent, all)
	}
	pid, err := strconv.Atoi(all[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// rescues are the box's rescue files.
func (b *box) rescues(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{
		filepath.Join(filepath.Dir(b.home), "*", "codexauth-rescue*", "*.record"),
		filepath.Join(filepath.Dir(b.home), ".local", "state", "codexauth-rescue*", "*.record"),
	} {
		found, _ := filepath.Glob(pattern)
		paths = append(paths, found...)
	}
	return paths
}

// Two stores of one user and one profile name: what one does leaves the other's
// rescue file alone.
func TestRescueFilesOfTwoStores(t *testing.T) {
	b := newExpired(t)
	file := b.spill(t)
	other := *b
	other.home = filepath.Join(t.TempDir(), "other")
	other.env = append(b.env[:len(b.env):len(b.env)], "CODEXAUTH_HOME="+other.home)
	other.signIn(t, "default")
	for _, command := range []string{"refresh", "logout"} {
		if r := other.run(t, command); r.code != verdict.Done {
			t.Fatalf("%s: exit %d: %s", command, r.code, r.stderr)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("the other store's rescue file: %v", err)
	}
	b.survives(t)
}

// survives makes sure that the rescued token is used, and nothing was sent again.
func (b *box) survives(t *testing.T, flags ...string) {
	t.Helper()
	wantToken(t, b.run(t, append(flags, "token")...))
	if r := b.run(t, append(flags, "refresh")...); r.code != verdict.Done {
		t.Errorf("refresh: exit %d: %s", r.code, r.stderr)
	}
	if n := b.server.Counters().Reuses; n != 0 {
		t.Errorf("%d reuses", n)
	}
	if left := b.rescues(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// A place that can't be read now, or that is another HOME's, is not taken for an
// empty one.
func TestUnreadableRescue(t *testing.T) {
	b := newExpired(t)
	b.spill(t)
	places := map[string]bool{}
	for _, file := range b.rescues(t) {
		places[filepath.Dir(file)] = true
	}
	for dir := range places {
		chmod(t, dir, 0o755)
	}
	n := b.server.Counters().TokenRequests
	wantFailure(t, b.run(t, "token"), verdict.Failed, "nothing was sent", "codexauth-rescue", "chmod 700")
	if now := b.server.Counters().TokenRequests; now != n {
		t.Fatalf("%d requests", now-n)
	}
	for dir := range places {
		chmod(t, dir, 0o700)
	}
	b.setenv("HOME="+t.TempDir(), "TMPDIR="+t.TempDir())
	b.survives(t)
}

// A new key does not shut out what waits under the old one.
func TestResealWhileARescueWaits(t *testing.T) {
	b := newExpired(t)
	first, second := newKey(t, b), newKey(t, b)
	reseal := func(key string) {
		t.Helper()
		if r := b.run(t, "store", "reseal", "--to", key); r.code != verdict.Done {
			t.Fatalf("exit %d: %s", r.code, r.stderr)
		}
	}
	reseal(first)
	b.setenv("CODEXAUTH_IDENTITY_FILE=" + first)
	b.spill(t)
	reseal(second)
	b.survives(t, "--identity-file", second)
}

// What is left of a login after logout is nothing.
func TestLogoutTakesTheRescueFiles(t *testing.T) {
	b := newExpired(t)
	file := b.spill(t)
	write(t, strings.Replace(file, "-2-", "-9-", 1), "of a later state, and unreadable")
	if r := b.run(t, "logout"); r.code != verdict.Done {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	if left := b.rescues(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if n := b.server.Counters().FamiliesRevoked; n != 1 {
		t.Errorf("%d logins revoked", n)
	}
}

// Who kills the child in mid-request is not told that nothing was lost.
func TestChildKilledInMidRequest(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "latency-after=5s*1@refresh")
	r := b.start(t, "token")
	eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
	if err := syscall.Kill(childOf(t, r.cmd.Process.Pid), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	said := r.end(t)
	if said.code != verdict.TryLater || strings.Contains(said.stderr, "nothing was lost") || !strings.Contains(said.stderr, "may have been spent") {
		t.Errorf("exit %d: %s", said.code, said.stderr)
	}
}
