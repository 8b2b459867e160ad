package lockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// ErrNoExclusion: two had a lock at once that only one can have.
var ErrNoExclusion = errors.New("a lock excludes nobody here")

// Excludes finds out whether locks on the file system of dir keep anybody out, by
// locking one file by two descriptors. It leaves no trace; where that takes an
// existing file, that is the lock file at path, whose [TryLock] then fails for an
// instant. The error is [ErrNoExclusion], one that wraps [errors.ErrUnsupported]
// where there is nothing to try it on, or the system's.
func Excludes(dir, path string) error { return excludes(dir, path) }

// judgeLocks tells what the outcome of two locks of one file means. The first may
// be somebody else's to have: then it excludes.
func judgeLocks(first, second func() (got bool, err error)) error {
	got, err := first()
	if err != nil || !got {
		return err
	}
	if got, err = second(); err == nil && got {
		return ErrNoExclusion
	}
	return err
}

// excludesAt tries it on a lock file that is there.
func excludesAt(path string) error {
	open := func() *flock.Flock { return flock.New(path, flock.SetFlag(os.O_RDWR|noFollow)) }
	first, second := open(), open()
	defer first.Close()
	defer second.Close()
	try := func(lock *flock.Flock) func() (bool, error) {
		return func() (bool, error) { return attempt(lock, (*flock.Flock).TryLock) }
	}
	err := judgeLocks(try(first), try(second))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: there is no lock file yet", errors.ErrUnsupported)
	}
	return cause(err)
}
