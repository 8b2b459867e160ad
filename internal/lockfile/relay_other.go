//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package lockfile

import "os"

// Here a lock belongs to the process that took it.

func tryRelay(path string) (*Relay, error) {
	unlock, err := TryLock(path)
	if err != nil {
		return nil, err
	}
	return &Relay{unlock: unlock}, nil
}

func receive(f *os.File) (unlock func() error) { return f.Close }
