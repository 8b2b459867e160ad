package file

import (
	"errors"
	"io/fs"
	"syscall"
)

// owners knows nothing: modes and user numbers say nothing about who may read a
// file on Windows.
func owners(fs.FileInfo) (owner, me int, known bool) { return 0, 0, false }

func diskFull(err error) bool {
	const (
		errHandleDiskFull = syscall.Errno(39)
		errDiskFull       = syscall.Errno(112)
	)
	return errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull)
}
