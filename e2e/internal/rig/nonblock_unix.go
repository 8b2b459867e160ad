//go:build unix

package rig

import (
	"os"
	"syscall"
)

// setNonblock lets a Close end a Read that waits. A terminal needs it said: the
// calls that set it up leave it in blocking mode, where Close takes effect only
// after the Read.
func setNonblock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) { failed = syscall.SetNonblock(int(fd), true) })
	if err != nil {
		return err
	}
	return failed
}
