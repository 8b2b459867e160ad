package lockfile

import "os"

// A Relay is a lock that a child process takes over, so that it ends with the
// child's work, whatever becomes of the process that started it: one that is
// stopped would otherwise keep the lock for as long as it sleeps.
type Relay struct {
	file   *os.File // what the child gets; nil where a lock can't be passed on
	unlock func() error
}

// TryRelay is [TryLock] for a lock that is to be passed on.
func TryRelay(path string) (*Relay, error) { return tryRelay(path) }

// File is for [os/exec.Cmd.ExtraFiles]; the child gives it to [Receive]. It is nil
// where the system has no locks that can be passed on: then the lock stays here.
func (r *Relay) File() *os.File { return r.file }

// Passed ends this process's part in the lock, once a child that has File was
// started. Where the lock stays here nothing happens.
func (r *Relay) Passed() {
	if r.file != nil {
		r.file.Close() // and no unlocking, which would end the child's lock
		r.unlock = func() error { return nil }
	}
}

// Unlock gives the lock back, unless it was passed on.
func (r *Relay) Unlock() error { return r.unlock() }

// Receive takes over the lock on f, that of path. Children of this process do
// not inherit it. The function that it returns gives the lock back even while
// the process that passed it on still has it open.
func Receive(f *os.File, path string) (unlock func() error) {
	writeHolder(path)
	return receive(f)
}
