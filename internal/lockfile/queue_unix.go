//go:build unix

package lockfile

import "github.com/gofrs/flock"

// queue takes the lock when its turn comes: the system wakes who waits.
func queue(lock *flock.Flock) error { return lock.Lock() }

// queueShared does so, shared with others who call it.
func queueShared(lock *flock.Flock) error { return lock.RLock() }
