package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// allocate sets size bytes aside for f.
func allocate(f *os.File, size int64) error {
	if err := checkSize(f.Name(), size); err != nil {
		return err
	}
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EINVAL): // not on every file system
			return writeZeros(f, size)
		}
		return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
}
