//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// isClosed reports whether f was closed when this process started. The runtime
// opens the null device for such a descriptor, to read and write; a shell opens it
// only to write, and what other programs open for their children is marked as
// opened with O_CLOEXEC, at least on Linux.
func isClosed(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	return flags&unix.O_ACCMODE == unix.O_RDWR && flags&unix.O_CLOEXEC == 0 && isNull(f)
}
