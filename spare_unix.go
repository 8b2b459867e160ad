//go:build unix

package codexauth

import (
	"fmt"
	"os"
	"syscall"
)

// spareMemory takes bytes of memory from the system and touches them, for room that
// is there once they are given back.
func spareMemory(bytes int) (giveBack func(), err error) {
	spare, err := syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("%d MiB of memory: %w", bytes>>20, err)
	}
	for page := 0; page < bytes; page += os.Getpagesize() {
		spare[page] = 1
	}
	return func() { _ = syscall.Munmap(spare) }, nil
}
