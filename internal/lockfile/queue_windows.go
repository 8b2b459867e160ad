package lockfile

import (
	"math/rand/v2"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// queue takes the lock when it is free. It asks again and again: a system's wait for
// the lock of a process that was ended has been seen to go on for ever (Wine), and
// how long Windows takes to free such a lock is left open (LockFileEx).
func queue(lock *flock.Flock) error { return again(lock, lock.TryLock) }

// queueShared does so, shared with others who call it.
func queueShared(lock *flock.Flock) error { return again(lock, lock.TryRLock) }

func again(lock *flock.Flock, try func() (bool, error)) error {
	const least, spread = 5 * time.Millisecond, 15 * time.Millisecond
	// Every try opens the file anew, and would make it again in a directory that is
	// being removed: one handle keeps it where it is.
	if waiting, err := os.Open(lock.Path()); err == nil {
		defer waiting.Close()
	}
	for {
		if got, err := try(); got || err != nil {
			return err
		}
		time.Sleep(least + rand.N(spread))
	}
}
