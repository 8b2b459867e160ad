package file

import (
	"errors"
	"syscall"
)

func diskFull(err error) bool {
	const (
		errHandleDiskFull = syscall.Errno(39)
		errDiskFull       = syscall.Errno(112)
	)
	return errors.Is(err, errDiskFull) || errors.Is(err, errHandleDiskFull)
}
