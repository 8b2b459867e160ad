package lockfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func excludes(dir, path string) error {
	// A file that no directory names and that is gone with its descriptors (open(2)).
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil { // not on every file system
		return excludesAt(path)
	}
	first := os.NewFile(uintptr(fd), dir)
	defer first.Close()
	second, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) { // no /proc
		return excludesAt(path)
	}
	if err != nil {
		return cause(err)
	}
	defer second.Close()
	return judgeLocks(tryFlock(first), tryFlock(second))
}

func tryFlock(f *os.File) func() (bool, error) {
	return func() (bool, error) {
		err := lockNow(f)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	}
}
