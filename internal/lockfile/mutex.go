package lockfile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Mutex is the lock at one path, as a process that often waits for it uses it.
// The system does the waiting, so that a lock that is given back is had at once,
// and it can't be told to stop: a wait that its caller gave up goes on behind the
// scenes, one for each Mutex at the most, and the next caller joins it.
type Mutex struct {
	path string

	mu      sync.Mutex
	waiters int
	queue   chan grant // where the wait under way delivers; nil if there is none
}

// grant is what a wait came to.
type grant struct {
	unlock func() error
	err    error
}

// moment is how long a lock that was just given back may take to become free.
const moment = 20 * time.Millisecond

// abandoned reports whether a wait goes on that its caller gave up.
func (m *Mutex) abandoned() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.queue != nil
}

// NewMutex returns the lock at path. It touches no file yet.
func NewMutex(path string) *Mutex { return &Mutex{path: path} }

// Lock is as the function [Lock] says.
func (m *Mutex) Lock(ctx context.Context) (unlock func() error, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("lock %s: %w", m.path, ctx.Err())
	}
	unlock, err = TryLock(m.path)
	var busy *BusyError
	if !errors.As(err, &busy) {
		return unlock, err
	}
	if ctx.Err() != nil {
		if !m.abandoned() {
			return TryLock(m.path) // what was abandoned may have had it for a moment
		}
		// The same may be about to have it: then it is the caller's.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), moment)
		defer cancel()
	}
	queue := m.join()
	select {
	case g := <-queue:
		m.leave(true)
		return g.unlock, g.err
	case <-ctx.Done():
	}
	m.leave(false)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("lock %s: %w", m.path, ctx.Err())
	}
	return nil, &BusyError{Path: m.path, Holder: ReadHolder(m.path)}
}

// join makes the caller one of those who wait.
func (m *Mutex) join() <-chan grant {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiters++
	if m.queue == nil {
		m.queue = make(chan grant, 1)
		go m.wait()
	}
	return m.queue
}

// leave ends a caller's wait; served says that it took the grant, and then the
// others need another one. A grant that comes too late for everybody is given back.
func (m *Mutex) leave(served bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiters--
	switch {
	case served && m.waiters > 0:
		go m.wait()
	case served:
		m.queue = nil
	case m.waiters == 0:
		select {
		case g := <-m.queue:
			m.queue = nil
			g.giveBack()
		default: // it goes on, for the next caller
		}
	}
}

// wait queues up at the system and delivers the lock, unless nobody wants it any
// more.
func (m *Mutex) wait() {
	var g grant
	g.unlock, g.err = acquire(m.path, func(lock *flock.Flock) (bool, error) { return true, queue(lock) })
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiters == 0 {
		m.queue = nil
		g.giveBack()
		return
	}
	m.queue <- g
}

func (g grant) giveBack() {
	if g.err == nil {
		g.unlock() // closing the file frees the lock, whatever this returns
	}
}
