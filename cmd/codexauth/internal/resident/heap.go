// Package resident has what a process needs that stays.
package resident

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// How much garbage a large heap may hold, in per cent of what is in use. The
// runtime's own 100 suits a small one; with thousands of streams open it would be
// as much again as all of them need.
const (
	largeHeap        = 48 << 20 // bytes
	largeHeapPercent = 30
	heapLook         = 250 * time.Millisecond
	// quiet is how many bytes are allocated between two looks when little happens.
	quiet = 1 << 20
)

// KeepHeapLean keeps a large heap from growing to twice its size, and gives back
// what a rush has left when it is over, until ctx ends.
func KeepHeapLean(ctx context.Context) {
	usual := debug.SetGCPercent(largeHeapPercent)
	defer debug.SetGCPercent(usual)
	if usual >= 0 && usual <= largeHeapPercent {
		return // somebody wants it leaner still
	}
	debug.SetGCPercent(usual)
	var heap runtime.MemStats // package runtime/metrics would lengthen the start of every command
	ticker := time.NewTicker(heapLook)
	defer ticker.Stop()
	var before, cleared uint64 // bytes allocated so far, at the last look and when the garbage was given back
	for lean := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		runtime.ReadMemStats(&heap)
		if large := heap.HeapAlloc > largeHeap; large != lean {
			lean = large
			debug.SetGCPercent(map[bool]int{true: largeHeapPercent, false: usual}[large])
		}
		if lean && heap.TotalAlloc-before < quiet && heap.TotalAlloc-cleared > heap.HeapAlloc/8 {
			debug.FreeOSMemory()
			runtime.ReadMemStats(&heap)
			cleared = heap.TotalAlloc
		}
		before = heap.TotalAlloc
	}
}
