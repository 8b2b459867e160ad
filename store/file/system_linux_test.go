package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"codexauth"
)

func addSystemParts(parts map[string]func(dir string) error) {
	parts["full disk"] = onVolume(partFullDisk)
	parts["full after it was reserved"] = onVolume(partFullAfterReserve)
	parts["full before it is reserved"] = onVolume(partFullBeforeReserve)
	parts["read-only"] = onVolume(partReadOnly)
	parts["unmounted"] = onVolume(partUnmounted)
}

// onVolume has a part play on a small volume of its own, in a mount namespace
// that ends with the process.
func onVolume(part func(volume, dir string) error) func(string) error {
	return func(volume string) error {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", volume, "tmpfs", 0, "size=400k,mode=0700"); err != nil {
			return err
		}
		return part(volume, filepath.Join(volume, "store"))
	}
}

func TestVolume(t *testing.T) {
	for _, part := range []string{"full disk", "full after it was reserved", "full before it is reserved", "read-only", "unmounted"} {
		t.Run(part, func(t *testing.T) {
			cmd := newChild(t, part, t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			if os.Geteuid() != 0 {
				cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
				cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
				cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
			}
			out, err := cmd.CombinedOutput()
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC) {
				t.Skipf("no mount namespace available here: %v", err)
			}
			if bytes.Equal(out, []byte(syscall.EPERM.Error()+"\n")) || bytes.Equal(out, []byte(syscall.EACCES.Error()+"\n")) {
				t.Skip("mounting is not allowed here")
			}
			if err != nil || string(out) != "done\n" {
				t.Errorf("child: %v: %s", err, out)
			}
		})
	}
}

func partFullDisk(volume, dir string) error {
	s, err := storeWith(dir, secret)
	if err != nil {
		return err
	}
	filler := filepath.Join(volume, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the volume did not fill up: %v", err)
	}
	return errors.Join(
		expect(commitIn(s, "work", strings.Repeat(secret, 1000)), syscall.ENOSPC, "commit", dir, "free some space"),
		expectLoad(s, "work", secret),
		expectNames(dir, "lock-work", "record-work"),
		os.Remove(filler),
		commitIn(s, "work", "new"),
		expectLoad(s, "work", "new"))
}

// partFullAfterReserve fills the disk, inodes included, between the reservation and
// the commits that it is for.
func partFullAfterReserve(volume, dir string) error {
	s, held, err := claimed(dir, secret)
	if err != nil {
		return err
	}
	defer held.Release()
	ctx := context.Background()
	c := held.(codexauth.Reserver)
	if err := errors.Join(c.Reserve(ctx, 64<<10), c.Reserve(ctx, 64<<10)); err != nil {
		return err
	}
	if err := fillUp(volume); err != nil {
		return err
	}
	return errors.Join(
		c.Commit(ctx, []byte("note")),
		fillUp(volume), // what the old record had, and the rest of the reserved room
		c.Commit(ctx, []byte(strings.Repeat("n", 60<<10))),
		expectLoad(s, "work", strings.Repeat("n", 60<<10)),
		fillUp(volume),
		expect(c.Commit(ctx, []byte(strings.Repeat("m", 60<<10))), syscall.ENOSPC, "free some space"),
		expectLoad(s, "work", strings.Repeat("n", 60<<10)),
		c.Release(),
		expectNames(dir, "lock-work", "record-work"))
}

func partFullBeforeReserve(volume, dir string) error {
	_, c, err := claimed(dir, secret)
	if err != nil {
		return err
	}
	defer c.Release()
	ctx := context.Background()
	if err := fillUp(volume); err != nil {
		return err
	}
	return errors.Join(
		expect(c.(codexauth.Reserver).Reserve(ctx, 64<<10), syscall.ENOSPC, "free some space"),
		expectNames(dir, "lock-work", "record-work"))
}

// fillUp leaves no byte of the volume free.
func fillUp(volume string) error {
	f, err := os.OpenFile(filepath.Join(volume, "filler"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 1<<20)); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("the volume did not fill up: %v", err)
	}
	return nil
}

func partReadOnly(volume, dir string) error {
	s, err := storeWith(dir, secret)
	if err != nil {
		return err
	}
	if err := syscall.Mount("", volume, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	other, err := Open(filepath.Join(volume, "other"))
	if err != nil {
		return err
	}
	return errors.Join(
		expect(commitIn(s, "work", "new"), syscall.EROFS, dir, "mount it writable"),
		expect(commitIn(other, "work", "new"), syscall.EROFS, "mount it writable"),
		expectLoad(s, "work", secret))
}

// partUnmounted takes the volume away under a claim: its mount point is an empty
// directory, into which nothing must be put.
func partUnmounted(volume, _ string) error {
	_, c, err := claimed(volume, secret)
	if err != nil {
		return err
	}
	defer c.Release()
	ctx := context.Background()
	if err := syscall.Unmount(volume, syscall.MNT_DETACH); err != nil {
		return err
	}
	if err := os.Chmod(volume, 0o700); err != nil {
		return err
	}
	err = c.Commit(ctx, []byte("new"))
	if errors.Is(err, codexauth.ErrLost) {
		return fmt.Errorf("told as lost: %w", err)
	}
	return errors.Join(
		expect(err, fs.ErrNotExist, "replaced by another directory", volume),
		expectNames(volume))
}

// traced returns the child under strace, which gives other answers to some of
// its system calls.
func traced(t *testing.T, cmd *exec.Cmd, inject string) *exec.Cmd {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	outer := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", trace, "-e", "inject="+inject, cmd.Path, "-test.run=^$")
	outer.Env = cmd.Env
	return outer
}

func skipIfUntraceable(t *testing.T, out []byte) {
	t.Helper()
	if bytes.Contains(bytes.ToLower(out), []byte("ptrace")) {
		t.Skipf("strace may not trace here: %s", out)
	}
}

func TestCommitAgainAfterFailedSync(t *testing.T) {
	dir := newStore(t)
	out, err := traced(t, newChild(t, "retry commit", dir), "fsync:error=EIO:when=2").CombinedOutput()
	skipIfUntraceable(t, out)
	if err != nil || !bytes.HasSuffix(out, []byte("done\n")) {
		t.Errorf("child: %v: %s", err, out)
	}
}

// A power cut must not take a new directory with what is put into it: its name is
// brought to the disk before anything else.
func TestNewDirectoryIsSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	out, err := traced(t, newChild(t, "commit", dir), "fsync:error=EIO:when=1").CombinedOutput()
	skipIfUntraceable(t, out)
	if err == nil || !bytes.HasPrefix(out, []byte("claim ")) {
		t.Errorf("%v: %s; want the first sync to be that of a claim", err, out)
	}
}

// TestKillSweep kills a claim with a commit at each of its calls to the file
// system in turn. Afterwards the record is the old one or the new one, whole, and
// the next claim is granted at once.
func TestKillSweep(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	outcomes := map[string]int{}
	for _, call := range []string{
		"openat", "newfstatat", "fstat", "flock", "pwrite64", "ftruncate", "fchmod",
		"write", "fsync", "close", "rename,renameat,renameat2",
	} {
		const most = 100
		for n := 1; ; n++ {
			record, ended := killedAt(t, call, n)
			if ended {
				break
			}
			if outcomes[record]++; n == most {
				t.Fatalf("the child still calls %s after %d times", call, n)
			}
		}
	}
	t.Logf("the record after each kill: %v", outcomes)
	if outcomes[secret] == 0 || outcomes["new"] == 0 || len(outcomes) != 2 {
		t.Errorf("want kills that leave the old record, some that leave the new one, and nothing else")
	}
}

// killedAt kills a commit at its nth call and returns the record that it leaves,
// or reports that the child came to its end first.
func killedAt(t *testing.T, call string, n int) (record string, ended bool) {
	t.Helper()
	dir := newStore(t)
	out, err := traced(t, newChild(t, "commit", dir), fmt.Sprintf("%s:signal=KILL:when=%d", call, n)).CombinedOutput()
	skipIfUntraceable(t, out)
	if err == nil {
		if !bytes.HasSuffix(out, []byte("done\n")) {
			t.Fatalf("%s %d: the child did not finish: %s", call, n, out)
		}
		return "", true
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	c, err := open(t, dir).Claim(ctx, "work")
	if err != nil {
		t.Fatalf("killed at %s %d: %v", call, n, err)
	}
	record = string(c.Record())
	if err := errors.Join(c.Commit(t.Context(), []byte("next")), c.Release()); err != nil {
		t.Fatalf("killed at %s %d: %v", call, n, err)
	}
	return record, false
}
