//go:build unix

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

func renameOnce(from, to string) error { return os.Rename(from, to) }

func openNoFollow(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
}

// SyncDir makes the names in dir durable: what was created, renamed or removed
// in it survives a power cut. A file system that cannot sync a directory says
// EINVAL or ENOTSUP, some of macOS ENOTTY; that is no error here, since there is nothing else to do.
// On Windows it does nothing.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncOpen(d)
}

func syncOpen(d *os.File) error {
	if err := d.Sync(); !cannotSync(err) {
		return err
	}
	return nil
}

// cannotSync reports whether err says that directories can't be synced there.
func cannotSync(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOTTY)
}

const closeBeforeRename = false

func openDir(dir string) (*os.File, error) { return os.Open(dir) }

// noDescriptor are the errors of NoDescriptor.
var noDescriptor = [...]error{syscall.EMFILE, syscall.ENFILE}

// checkSize refuses a file that is larger than this process may write. Whoever
// writes it all the same gets a signal that ends the process (SIGXFSZ).
func checkSize(path string, size int64) error {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit) == nil && uint64(size) > uint64(limit.Cur) {
		return tooLarge(path, syscall.EFBIG)
	}
	return nil
}
