package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"
)

// Wait waits until nobody holds the lock at path, without taking it: all who wait
// go on at the same moment, where with [Lock] each would have its turn. The error
// is a [*BusyError] when the deadline of ctx ends the wait, and wraps
// [context.Canceled] when a cancellation does.
//
// On Unix the system does the waiting, so that many who wait cost nothing. Where ctx
// ends first, that leaves a goroutine behind until the lock is free or the
// process ends: Wait is for programs that are about to.
func Wait(ctx context.Context, path string) error {
	return wait(ctx, path, func(lock *flock.Flock) (bool, error) {
		err := queueShared(lock) // shared with the others who wait
		return err == nil, err
	})
}

func wait(ctx context.Context, path string, take func(*flock.Flock) (bool, error)) error {
	free := make(chan error, 1)
	go func() {
		lock := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE|noFollow), flock.SetPermissions(0o600))
		_, err := attempt(lock, take)
		free <- errors.Join(err, lock.Close())
	}()
	select {
	case err := <-free:
		if err != nil {
			return fmt.Errorf("lock %s: %w", path, cause(err))
		}
		return nil
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("lock %s: %w", path, ctx.Err())
	}
	return &BusyError{Path: path, Holder: ReadHolder(path)}
}
