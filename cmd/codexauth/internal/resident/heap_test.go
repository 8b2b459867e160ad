package resident

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		alloc uint64
		usual int
		want  int
	}{
		{2 << 20, 100, smallHeapPercent},
		{30 << 20, 100, 100},
		{60 << 20, 100, largeHeapPercent},
		{2 << 20, 50, 50}, // GOGC=50
		{60 << 20, 50, largeHeapPercent},
		{2 << 20, -1, -1}, // GOGC=off
	} {
		if got := percentFor(c.alloc, c.usual); got != c.want {
			t.Errorf("%d bytes, usually %d: %d, want %d", c.alloc, c.usual, got, c.want)
		}
	}
}

// What was set before holds again in the end.
func TestKeepHeapLean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := debug.SetGCPercent(100)
		defer debug.SetGCPercent(before)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { KeepHeapLean(ctx); close(done) }()
		time.Sleep(2 * heapLook)
		synctest.Wait()
		during := debug.SetGCPercent(100)
		debug.SetGCPercent(during)
		cancel()
		<-done
		after := debug.SetGCPercent(100)
		if during != smallHeapPercent || after != 100 {
			t.Errorf("%d, and %d afterwards", during, after)
		}
	})
}
