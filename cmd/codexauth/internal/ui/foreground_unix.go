//go:build unix

package ui

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// inForeground reports whether this process may read from the terminal f. One that
// is not its own terminal stops nobody.
func inForeground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// KeepRunning has a read of the terminal fail once this process is put into the
// background, where it would be stopped with everything else that it does.
func KeepRunning() { signal.Ignore(syscall.SIGTTIN, syscall.SIGTTOU) }
