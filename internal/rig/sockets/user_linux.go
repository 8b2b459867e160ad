package sockets

import (
	"os"
	"runtime"
	"syscall"
)

// AsUser makes a Unix socket as another user, which only root can: the kernel notes
// the effective user of the thread that connects it, or has it listen, as begin does.
func AsUser(uid int, begin func(fd int) error) (*os.File, error) {
	var f *os.File
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its user
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			failed <- errno
			return
		}
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err == nil {
			f = os.NewFile(uintptr(fd), "socket")
			err = begin(fd)
		}
		failed <- err
	}()
	err := <-failed
	if err != nil && f != nil {
		f.Close()
		f = nil
	}
	return f, err
}
