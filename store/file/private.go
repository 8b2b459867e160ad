package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
	"codexauth/internal/sharing"
	"codexauth/internal/sysfail"
)

// notPrivate makes an error that wraps [codexauth.ErrStoreUnsafe].
func notPrivate(format string, args ...any) error {
	return fmt.Errorf("%w: %s", codexauth.ErrStoreUnsafe, fmt.Sprintf(format, args...))
}

// checkDir refuses a directory that others can read or put files into.
func checkDir(dir string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return notPrivate("%s is a symbolic link: name the directory itself with --store file:DIR or CODEXAUTH_HOME", dir)
	case !info.IsDir():
		return notPrivate("%s is not a directory: move it away, or name another place with --store file:DIR or CODEXAUTH_HOME", dir)
	}
	return checkMode(dir, info)
}

// checkRecord refuses a record that others can read or that they put there.
func checkRecord(path string, info fs.FileInfo) error {
	if err := checkRegular(path, info); err != nil {
		return err
	}
	return checkMode(path, info)
}

// checkLock refuses to open something else in place of a lock file. A missing
// one is fine.
func checkLock(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return noneIfMissing(err)
	}
	return checkRegular(path, info)
}

func checkRegular(path string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return notPrivate("%s is a symbolic link: put the file itself there, or remove the link", path)
	}
	if !info.Mode().IsRegular() {
		return notPrivate("%s is not a regular file (%s): remove it", path, info.Mode().Type())
	}
	return nil
}

// checkMode refuses what is not this user's alone.
func checkMode(path string, info fs.FileInfo) error {
	var e *private.Exposed
	switch {
	case !errors.As(private.Check(path, info), &e):
		return nil
	case e.Foreign():
		return notPrivate("%s belongs to user %d and this is user %d: run as that user, or name another place with --store file:DIR or CODEXAUTH_HOME", path, e.Owner, e.Me)
	}
	return notPrivate("%v: run %s, and sign in again if others can use this machine; where that changes nothing, the file system keeps no permissions: name another place with --store file:DIR or CODEXAUTH_HOME", e, private.Remedy(path, info.IsDir()))
}

// explain adds to an error of the system what to do about it.
func explain(err error) error {
	hint := ""
	switch {
	case errors.Is(err, codexauth.ErrStoreUnsafe), errors.Is(err, codexauth.ErrLost):
		return err
	case sysfail.DiskFull(err):
		hint = "the disk or the quota is full: free some space and try again"
	case errors.Is(err, syscall.EFBIG):
		hint = "the limit on the size of files is too small: raise it (ulimit -f)"
	case atomicfile.NoDescriptor(err):
		hint = "too many files are open: raise the limit (ulimit -n), or try again"
	case sysfail.ReadOnly(err):
		hint = "the file system is read-only: mount it writable, or name another place with --store file:DIR or CODEXAUTH_HOME"
	case sharing.Held(err):
		hint = "another program has it open, and did not close it for some seconds: end that program, or try again"
	case sharing.Violated(err): // "access denied", which has two causes
		hint = "this user may not do that there, or another program has it open: end that program, fix the permissions, or name another place with --store file:DIR or CODEXAUTH_HOME"
	case errors.Is(err, fs.ErrPermission):
		hint = "this user may not do that there: fix the permissions, or name another place with --store file:DIR or CODEXAUTH_HOME"
	case errors.Is(err, fs.ErrNotExist):
		hint = "the store's directory is gone: bring it back (a volume that is not mounted?) and try again"
	case sysfail.NotDirectory(err):
		hint = "a part of the path is not a directory: name another place with --store file:DIR or CODEXAUTH_HOME"
	case sysfail.NoLocks(err):
		hint = "this file system cannot lock files: name a place on a local disk with --store file:DIR or CODEXAUTH_HOME"
	default:
		return err
	}
	return fmt.Errorf("%w (%s)", err, hint)
}
