//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package lockfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// flock(2) locks what was opened, not a process: who inherits a descriptor has a
// part in the lock, which ends when one of them unlocks it or all have closed it.

func tryRelay(path string) (*Relay, error) {
	for range 100 { // as acquire does
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, cause(err))
		}
		if err := lockNow(f); err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, &BusyError{Path: path, Holder: ReadHolder(path)}
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		current, err := names(path, f)
		if current {
			writeHolder(path)
			return &Relay{f, receive(f)}, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errReplaced(path)
}

func lockNow(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			return err
		}
	}
}

func receive(f *os.File) (unlock func() error) {
	unix.CloseOnExec(int(f.Fd()))
	return func() error {
		return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
	}
}
