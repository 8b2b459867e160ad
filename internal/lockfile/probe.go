package lockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"
)

// Probe reports whether somebody holds the lock at path, as a [*BusyError],
// without taking it from anybody or changing the file. A file that does not exist
// is not locked. For the instant that it takes, a [TryLock] fails.
func Probe(path string) error { return probe(path, (*flock.Flock).TryRLock) }

func probe(path string, take func(*flock.Flock) (bool, error)) error {
	lock := flock.New(path, flock.SetFlag(os.O_RDONLY|noFollow))
	free, err := attempt(lock, take)
	if err == nil && !free {
		err = &BusyError{Path: path, Holder: ReadHolder(path)}
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	} else if err != nil {
		err = fmt.Errorf("lock %s: %w", path, cause(err))
	}
	lock.Close() // unlocks it, too
	return err
}
