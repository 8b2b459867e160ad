//go:build unix

package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"codexauth"
)

// secret is in every record of these tests and must be in no error.
const secret = "s3cret-t0ken"

// wantRefused checks that nothing can be done with the store, that each error
// says so and what to do, and that nothing was written.
func wantRefused(t *testing.T, dir string, parts ...string) {
	t.Helper()
	before := snapshot(t, dir)
	_, err := Open(dir)
	s := &Store{dir: dir} // as if it had become unsafe after it was opened
	_, loadErr := s.Load(t.Context(), "work")
	_, listErr := s.List(t.Context())
	c, claimErr := s.Claim(t.Context(), "work")
	if claimErr == nil {
		c.Release()
	}
	for _, err := range []error{err, loadErr, listErr, claimErr} {
		wantError(t, err, codexauth.ErrStoreUnsafe, append(parts, dir)...)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("the place was changed from\n%sto\n%s", before, after)
	}
}

// snapshot describes all files beside and below path.
func snapshot(t *testing.T, path string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Dir(path), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&all, path, info.Mode(), info.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// newStore returns a directory with a record of the key "work".
func newStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	put(t, open(t, dir), "work", secret)
	return dir
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenToOthers(t *testing.T) {
	dir := newStore(t)
	for _, mode := range []fs.FileMode{0o755, 0o750, 0o701, 0o720, 0o777 | fs.ModeSticky} {
		chmod(t, dir, mode)
		wantRefused(t, dir, `run chmod 700 "`+dir+`"`, "keeps no permissions: name another place")
	}
	chmod(t, dir, 0o700)
	wantLoad(t, open(t, dir), "work", secret)
}

func TestDirIsSymlink(t *testing.T) {
	dir := newStore(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, link, "symbolic link", "--store file:DIR")
	if _, err := Open(link + "/"); !errors.Is(err, codexauth.ErrStoreUnsafe) {
		t.Errorf("Open of a link with a slash: %v", err)
	}
	dangling := filepath.Join(t.TempDir(), "dangling")
	if err := os.Symlink(filepath.Join(t.TempDir(), "missing"), dangling); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dangling, "symbolic link")
}

func TestDirIsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, path, "not a directory")

	s, err := Open(filepath.Join(path, "below"))
	wantError(t, err, syscall.ENOTDIR, path, "CODEXAUTH_HOME")
	if s != nil {
		t.Errorf("Open = %v", s)
	}
}

func TestDirOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	dir := newStore(t)
	if err := os.Chown(dir, 65534, -1); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, "belongs to user 65534 and this is user 0")
}

// wantRecordRefused checks that a record is not read, and not replaced either,
// and that other keys are not concerned.
func wantRecordRefused(t *testing.T, dir string, parts ...string) {
	t.Helper()
	s := open(t, dir)
	_, loadErr := s.Load(t.Context(), "work")
	c, claimErr := s.Claim(t.Context(), "work")
	if claimErr == nil {
		c.Release()
	}
	for _, err := range []error{loadErr, claimErr} {
		wantError(t, err, codexauth.ErrStoreUnsafe, append(parts, recordFile(t, dir, "work"))...)
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("the error %q holds the record", err)
		}
	}
	put(t, s, "home", "h")
	wantLoad(t, s, "home", "h")
}

func TestRecordOpenToOthers(t *testing.T) {
	dir := newStore(t)
	path := recordFile(t, dir, "work")
	for _, mode := range []fs.FileMode{0o644, 0o640, 0o602} {
		chmod(t, path, mode)
		wantRecordRefused(t, dir, `run chmod 600 "`+path+`"`)
	}
	chmod(t, path, 0o600)
	c := mustClaim(t, open(t, dir), "work")
	chmod(t, path, 0o644) // under the claim
	wantError(t, c.Commit(t.Context(), []byte("new")), codexauth.ErrStoreUnsafe, "chmod 600")
	chmod(t, path, 0o600)
	wantLoad(t, open(t, dir), "work", secret)
}

func TestRecordIsNoFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"symbolic link": func(path string) error {
			target := path + "-target"
			if err := os.WriteFile(target, []byte(secret), 0o600); err != nil {
				return err
			}
			return os.Symlink(target, path)
		},
		"not a regular file": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"remove it":          func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := newStore(t)
			path := recordFile(t, dir, "work")
			if err := errors.Join(os.Remove(path), put(path)); err != nil {
				t.Fatal(err)
			}
			wantRecordRefused(t, dir, name)
		})
	}
}

func TestRecordOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	dir := newStore(t)
	if err := os.Chown(recordFile(t, dir, "work"), 65534, -1); err != nil {
		t.Fatal(err)
	}
	wantRecordRefused(t, dir, "belongs to user 65534")
}

func TestLockIsSymlink(t *testing.T) {
	dir := newStore(t)
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(dir, lockPrefix+"work")
	if err := errors.Join(os.Remove(lock), os.Symlink(target, lock)); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, dir).Claim(t.Context(), "work")
	wantError(t, err, codexauth.ErrStoreUnsafe, lock, "symbolic link")
	if got, err := os.ReadFile(target); string(got) != "precious" || err != nil {
		t.Errorf("the link's target holds %q, %v", got, err)
	}
	wantLoad(t, open(t, dir), "work", secret) // reading needs no lock
}

// TestUmask: what we create is private, and ours to use, whatever the umask.
func TestUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o277, 0o777} {
		parent := filepath.Join(t.TempDir(), "a")
		dir := filepath.Join(parent, "b")
		before := syscall.Umask(umask)
		t.Cleanup(func() { syscall.Umask(before) })
		put(t, open(t, dir), "work", "x")
		syscall.Umask(before)
		for path, want := range map[string]fs.FileMode{
			parent: fs.ModeDir | 0o700, dir: fs.ModeDir | 0o700, recordFile(t, dir, "work"): 0o600,
		} {
			info, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != want {
				t.Errorf("umask %04o: %s has mode %v, want %v", umask, path, info.Mode(), want)
			}
		}
		put(t, open(t, dir), "work", "y")
	}
}
