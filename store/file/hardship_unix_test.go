//go:build unix

package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"codexauth"
	"codexauth/internal/private"
)

// childParts are what a child process of these tests can do, in the directory
// that it is given.
func childParts() map[string]func(dir string) error {
	parts := map[string]func(dir string) error{
		"commit":       partCommit,
		"retry commit": partRetryCommit,
		"limited":      partLimited,
		"descriptors":  partNoDescriptors,
		"unprivileged": partUnprivileged,
	}
	addSystemParts(parts)
	return parts
}

// expect checks an error in a child.
func expect(err, want error, parts ...string) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("got %v, want one that wraps %v", err, want)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			return fmt.Errorf("the error %q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), secret) {
		return fmt.Errorf("the error %q holds the record", err)
	}
	return nil
}

func expectNames(dir string, want ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		return fmt.Errorf("%s contains %q, want %q", dir, got, want)
	}
	return nil
}

func partCommit(dir string) error {
	runtime.LockOSThread() // whoever traces this process counts calls by thread
	s, err := Open(dir)
	if err != nil {
		return err
	}
	return commitIn(s, "work", "new")
}

// partLimited has the kernel take a part of each record and refuse the rest.
func partLimited(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	if err := commitIn(s, "work", "old"); err != nil {
		return err
	}
	// SIGXFSZ is not ignored: nothing is written that would bring it.
	limit := syscall.Rlimit{Cur: 1000, Max: 1000}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	err = commitIn(s, "work", strings.Repeat(secret, 1000))
	return errors.Join(
		expect(err, syscall.EFBIG, "commit", dir),
		expectLoad(s, "work", "old"),
		expect(reserveIn(s, "work"), syscall.EFBIG, "ulimit -f"),
		expectNames(dir, "lock-work", "record-work"),
		commitIn(s, "work", "new"),
		expectLoad(s, "work", "new"))
}

func reserveIn(s *Store, key string) error {
	c, err := s.Claim(context.Background(), key)
	if err != nil {
		return err
	}
	defer c.Release()
	return c.(codexauth.Reserver).Reserve(context.Background(), 64<<10)
}

func TestFileSizeLimit(t *testing.T) {
	runChild(t, newChild(t, "limited", filepath.Join(t.TempDir(), "store")))
}

// partNoDescriptors takes every descriptor between a reservation and its commit.
func partNoDescriptors(dir string) error {
	s, held, err := claimed(dir, "old")
	if err != nil {
		return err
	}
	defer held.Release()
	ctx := context.Background()
	c := held.(codexauth.Reserver)
	if err := c.Reserve(ctx, 64<<10); err != nil {
		return err
	}
	limit := syscall.Rlimit{Cur: 64, Max: 64}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			break
		}
		if err != nil {
			return err
		}
		taken = append(taken, f)
	}
	saved := c.Commit(ctx, []byte("new"))
	f, err := os.Open(os.DevNull) // what the commit has given back
	for err == nil {
		taken = append(taken, f)
		f, err = os.Open(os.DevNull)
	}
	refused := c.Reserve(ctx, 64<<10)
	for _, f := range taken {
		f.Close()
	}
	return errors.Join(saved, expect(refused, syscall.EMFILE, "ulimit -n"), expectLoad(s, "work", "new"), c.Release(),
		expectNames(dir, "lock-work", "record-work"))
}

func TestCommitWithoutDescriptors(t *testing.T) {
	runChild(t, newChild(t, "descriptors", filepath.Join(t.TempDir(), "store")))
}

// partUnprivileged works in a read-only directory as a user whom modes bind.
func partUnprivileged(dir string) error {
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	s, c, err := claimed(dir, secret)
	if err != nil {
		return err
	}
	defer c.Release()
	ctx := context.Background()
	if err := os.Chmod(dir, 0o500); err != nil {
		return err
	}
	_, claimErr := s.Claim(ctx, "other")
	return errors.Join(
		expect(c.Commit(ctx, []byte("new")), fs.ErrPermission, "commit", dir, "fix the permissions"),
		expect(c.Delete(ctx), fs.ErrPermission, "delete", dir),
		expect(claimErr, fs.ErrPermission, "claim", dir),
		expectLoad(s, "work", secret),
		os.Chmod(dir, 0o700),
		c.Commit(ctx, []byte("new")),
		expectLoad(s, "work", "new"),
		expectForeign(filepath.Dir(dir)))
}

// expectForeign expects that a directory of another user is refused; dir is root's.
func expectForeign(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if owner, me, _ := private.Owners(info); owner == me {
		return nil
	}
	_, err = Open(dir)
	return expect(err, codexauth.ErrStoreUnsafe, "belongs to user")
}

func TestReadOnlyDirectory(t *testing.T) {
	// Not t.TempDir, into which an unprivileged child may not go.
	parent, err := os.MkdirTemp("", "codexauth-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	dir := filepath.Join(parent, "store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		chmod(t, parent, 0o755)
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	runChild(t, newChild(t, "unprivileged", dir))
}

// partRetryCommit runs with a directory sync that fails once: the first Commit
// may have landed, and a second must be able to finish it.
func partRetryCommit(dir string) error {
	runtime.LockOSThread()
	s, err := Open(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	c, err := s.Claim(ctx, "work")
	if err != nil {
		return err
	}
	defer c.Release()
	return errors.Join(
		expect(c.Commit(ctx, []byte("new")), syscall.EIO, "a power cut may undo it"),
		c.Commit(ctx, []byte("new")),
		expectLoad(s, "work", "new"))
}
