//go:build unix

package ui

import (
	"os"

	"golang.org/x/sys/unix"
)

// isClosed reports whether f was closed when this process started. The runtime
// opens the null device for such a descriptor, to read and write; a shell opens it
// only to write. What some programs open for their children can't be told from it.
func isClosed(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	return flags&unix.O_ACCMODE == unix.O_RDWR && isNull(f)
}

// isNull reports whether f is the null device.
func isNull(f *os.File) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(null, info)
}
