package codexauth

import (
	"fmt"
	"syscall"
)

// spareMemory takes bytes of memory from the system, for room that is there once they
// are given back. Committed memory is promised by the system and counts for the limit
// of a job, whether it is touched or not.
func spareMemory(bytes int) (giveBack func(), err error) {
	const (
		commitAndReserve = 0x1000 | 0x2000
		readWrite        = 0x04
		release          = 0x8000
	)
	kernel := syscall.NewLazyDLL("kernel32.dll") // which every process has loaded
	address, _, err := kernel.NewProc("VirtualAlloc").Call(0, uintptr(bytes), commitAndReserve, readWrite)
	if address == 0 {
		return nil, fmt.Errorf("%d MiB of memory: %w", bytes>>20, err)
	}
	return func() { _, _, _ = kernel.NewProc("VirtualFree").Call(address, 0, release) }, nil
}
