package atomicfile

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// Windows refuses to rename over, or to open, a file that somebody else (a
// reader, a virus scanner, an indexer) has open just now. That passes.
const (
	errSharingViolation = syscall.Errno(32)
	retryFor            = time.Second
)

func rename(from, to string) error {
	return retry(func() error { return os.Rename(from, to) })
}

func openNoFollow(path string) (f *os.File, err error) {
	err = retry(func() error {
		f, err = os.Open(path)
		return err
	})
	return f, err
}

// SyncDir does nothing on Windows, where a directory cannot be synced.
func SyncDir(string) error { return nil }

func retry(do func() error) error {
	end := time.Now().Add(retryFor)
	for pause := time.Millisecond; ; pause *= 2 {
		err := do()
		passing := errors.Is(err, errSharingViolation) || errors.Is(err, syscall.ERROR_ACCESS_DENIED)
		if !passing || time.Now().Add(pause).After(end) {
			return err
		}
		time.Sleep(pause)
	}
}

// closeBeforeRename: Windows renames no file that is open.
const closeBeforeRename = true

func openDir(string) (*os.File, error) { return nil, nil }

func syncOpen(*os.File) error { return nil }

// noDescriptor are the errors of NoDescriptor.
var noDescriptor = [...]error{syscall.EMFILE}

func checkSize(string, int64) error { return nil }
