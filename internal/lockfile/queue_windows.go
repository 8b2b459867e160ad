package lockfile

import (
	"math/rand/v2"
	"time"

	"github.com/gofrs/flock"
)

// queue takes the lock when it is free. It asks again and again: a system's wait for
// the lock of a process that was ended has been seen to go on for ever (Wine), and
// how long Windows takes to free such a lock is left open (LockFileEx).
func queue(lock *flock.Flock) error { return again(lock.TryLock) }

// queueShared does so, shared with others who call it.
func queueShared(lock *flock.Flock) error { return again(lock.TryRLock) }

func again(try func() (bool, error)) error {
	const least, spread = 5 * time.Millisecond, 15 * time.Millisecond
	for {
		if got, err := try(); got || err != nil {
			return err
		}
		time.Sleep(least + rand.N(spread))
	}
}
