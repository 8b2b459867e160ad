package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
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

// keepHeapLean keeps a large heap from growing to twice its size, and gives back
// what a rush has left when it is over, until ctx ends.
func keepHeapLean(ctx context.Context) {
	usual := debug.SetGCPercent(largeHeapPercent)
	defer debug.SetGCPercent(usual)
	if usual >= 0 && usual <= largeHeapPercent {
		return // somebody wants it leaner still
	}
	debug.SetGCPercent(usual)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	ticker := time.NewTicker(heapLook)
	defer ticker.Stop()
	var before, cleared uint64 // bytes allocated so far, at the last look and when the garbage was given back
	for lean := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		metrics.Read(sample)
		live, allocated := sample[0].Value.Uint64(), sample[1].Value.Uint64()
		if large := live > largeHeap; large != lean {
			lean = large
			debug.SetGCPercent(map[bool]int{true: largeHeapPercent, false: usual}[large])
		}
		if lean && allocated-before < quiet && allocated-cleared > live/8 {
			debug.FreeOSMemory()
			metrics.Read(sample)
			allocated = sample[1].Value.Uint64()
			cleared = allocated
		}
		before = allocated
	}
}
