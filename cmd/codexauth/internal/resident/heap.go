// Package resident has what a process needs that stays.
package resident

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// How much garbage a heap may hold, in per cent of what is in use. The runtime's own
// 100 suits one of middling size. A small one, the usual, would be cleared thirty times
// a second in a rush, which took a seventh of the processor's time; with thousands of
// streams open it would be as much again as all of them need.
const (
	smallHeap        = 24 << 20 // bytes, with its garbage
	smallHeapPercent = 400
	largeHeap        = 48 << 20 // bytes
	largeHeapPercent = 30
	heapLook         = 250 * time.Millisecond
	// quiet is how many bytes are allocated between two looks when little happens.
	quiet = 1 << 20
)

// percentFor is the garbage that a heap of some bytes may hold, where the usual is
// what the runtime, or whoever set GOGC, wants.
func percentFor(alloc uint64, usual int) int {
	switch {
	case alloc > largeHeap:
		return largeHeapPercent
	case alloc <= smallHeap && usual == 100:
		return smallHeapPercent
	}
	return usual
}

// KeepHeapLean keeps a large heap from growing to twice its size, gives back what a
// rush has left when it is over, and leaves a small heap in peace, until ctx ends.
func KeepHeapLean(ctx context.Context) {
	usual := debug.SetGCPercent(largeHeapPercent)
	defer debug.SetGCPercent(usual)
	if usual >= 0 && usual <= largeHeapPercent {
		return // somebody wants it leaner still
	}
	percent := percentFor(0, usual)
	debug.SetGCPercent(percent)
	var heap runtime.MemStats // package runtime/metrics would lengthen the start of every command
	ticker := time.NewTicker(heapLook)
	defer ticker.Stop()
	var before, cleared uint64 // bytes allocated so far, at the last look and when the garbage was given back
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		runtime.ReadMemStats(&heap)
		if now := percentFor(heap.HeapAlloc, usual); now != percent {
			percent = now
			debug.SetGCPercent(percent)
		}
		if percent == largeHeapPercent && heap.TotalAlloc-before < quiet && heap.TotalAlloc-cleared > heap.HeapAlloc/8 {
			debug.FreeOSMemory()
			runtime.ReadMemStats(&heap)
			cleared = heap.TotalAlloc
		}
		before = heap.TotalAlloc
	}
}
