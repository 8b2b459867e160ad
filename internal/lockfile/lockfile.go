// Package lockfile gives out an exclusive lock that the system ends when its
// holder dies: flock(2) on Unix, LockFileEx on Windows, on a file that exists for
// nothing else and is never deleted.
//
// The lock excludes processes and the goroutines of one process alike, since
// every acquisition opens the file again. Child processes do not inherit it. It is
// not re-entrant. On network file systems it is as good as their locks are.
package lockfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/gofrs/flock"

	"codexauth/internal/sharing"
)

// BusyError says that somebody else holds the lock.
type BusyError struct {
	Path   string
	Holder Holder // zero if it is not known
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("lock %s: held by %s", e.Path, e.Holder)
}

// Lock waits for the lock at path, creating the file (0600) if there is none, in
// a directory that must exist. It tries at least once, even if the deadline of
// ctx has passed. The error is a [*BusyError] when the deadline ends the wait,
// wraps [context.Canceled] when a cancellation does, and is the system's
// otherwise. The function that it returns gives the lock back; calling it again
// does nothing.
//
// A wait that ctx ends leaves a goroutine behind until the lock is free. Whoever
// waits often uses a [Mutex].
func Lock(ctx context.Context, path string) (unlock func() error, err error) {
	return NewMutex(path).Lock(ctx)
}

// TryLock is [Lock] without the waiting.
func TryLock(path string) (unlock func() error, err error) {
	return acquire(path, (*flock.Flock).TryLock)
}

// acquire takes the lock by the given call, which returns false if somebody else
// has it.
func acquire(path string, take func(*flock.Flock) (bool, error)) (unlock func() error, err error) {
	// A lock on a file that was deleted or replaced excludes nobody who comes
	// after: it counts only while the path still names the locked file.
	for range 100 {
		lock := flock.New(path,
			flock.SetFlag(os.O_RDWR|os.O_CREATE|noFollow),
			flock.SetPermissions(0o600))
		got, err := attempt(lock, take)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, errors.Join(cause(err), lock.Close()))
		}
		if !got {
			return nil, &BusyError{Path: path, Holder: ReadHolder(path)}
		}
		current, err := names(path, lock)
		if current {
			writeHolder(path)
			return lock.Unlock, nil
		}
		lock.Unlock()
		if err != nil {
			return nil, err
		}
	}
	return nil, errReplaced(path)
}

// attempt takes the lock, again where a signal came between: Go has its own restart
// the call, a debugger's or a stop's on macOS need not.
func attempt(lock *flock.Flock, take func(*flock.Flock) (bool, error)) (got bool, err error) {
	for {
		err = sharing.Retry(func() (err error) {
			got, err = take(lock)
			return err
		})
		if !errors.Is(err, syscall.EINTR) {
			return got, err
		}
	}
}

func errReplaced(path string) error {
	return fmt.Errorf("lock %s: somebody keeps replacing the file", path)
}

// names reports whether path is the file that was locked.
func names(path string, lock interface{ Stat() (fs.FileInfo, error) }) (bool, error) {
	locked, err := lock.Stat()
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, cause(err))
	}
	if !locked.Mode().IsRegular() {
		return false, fmt.Errorf("lock %s: not a regular file (%s)", path, locked.Mode().Type())
	}
	now, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, cause(err))
	}
	if locked.Mode()&0o600 != 0o600 { // a strange umask; the next holder must get in
		os.Chmod(path, 0o600)
	}
	return os.SameFile(locked, now), nil
}

// cause drops the path from a system error that is to be wrapped with it.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
