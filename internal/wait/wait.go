// Package wait has what a wait needs that a context can end.
package wait

import (
	"context"
	"errors"
	"time"
)

// Sleep lets d pass, or returns ctx's error as soon as ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Lasting returns a context that lasts for d, whatever ctx's deadline is, but
// ends at once when ctx is cancelled.
func Lasting(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(ctx, func() {
		if GivenUp(ctx) != nil {
			cancel()
		}
	})
	return longer, func() { stop(); cancel() }
}

// GivenUp returns ctx's error if somebody cancelled it. A deadline that has passed is
// none: what is free is had all the same.
func GivenUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return nil
}
