package foreign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"codexauth"
)

// pi locks a file as npm's proper-lockfile does: whoever makes the directory PATH.lock
// has the lock, and touches it every few seconds for as long as they live. One that
// nobody has touched for the time below was left by somebody who died. pi holds it
// while it refreshes.
const (
	lockStale = 30 * time.Second // pi's own for a refresh
	lockTouch = 2 * time.Second  // pi's shortest patience is 10 s
	lockPause = 50 * time.Millisecond
)

func lockDirectory(ctx context.Context, path string) (unlock func(), err error) {
	// The lock stands beside what a link leads to.
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	lock := filepath.Join(dir, filepath.Base(path)) + ".lock"
	for {
		err := os.Mkdir(lock, 0o700)
		if err == nil {
			return keepLock(lock), nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("lock: %w", err)
		}
		if abandoned(lock) && os.Remove(lock) == nil {
			continue
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("%w: %s is there, which another program makes while it uses the file", codexauth.ErrBusy, lock)
		case <-time.After(lockPause):
		}
	}
}

func abandoned(lock string) bool {
	info, err := os.Lstat(lock)
	return err == nil && info.IsDir() && time.Since(info.ModTime()) > lockStale
}

// keepLock touches a lock until unlock is called, which takes it away.
func keepLock(lock string) (unlock func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(lockTouch)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				_ = os.Chtimes(lock, now, now) // at worst somebody takes it over, and SetAside sees what they wrote
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		_ = os.Remove(lock) // else it is stale in a moment
	}
}
