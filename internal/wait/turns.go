package wait

import (
	"context"
	"sync"
)

// Turns makes the goroutines of one process line up, by key, before something for
// which the process should wait once. The zero value is ready for use.
type Turns struct{ all sync.Map }

// Take waits for the turn of key, until leave gives it back. One that is free is
// had even if ctx has ended; else the error is ctx's.
func (t *Turns) Take(ctx context.Context, key string) (leave func(), err error) {
	value, _ := t.all.LoadOrStore(key, make(chan struct{}, 1))
	turn := value.(chan struct{})
	leave = func() { <-turn }
	select {
	case turn <- struct{}{}:
		return leave, nil
	default:
	}
	select {
	case turn <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
