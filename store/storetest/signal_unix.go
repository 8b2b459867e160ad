//go:build unix

package storetest

import (
	"os"
	"syscall"
)

// canStop: a process can be made to stand still on this system.
const canStop = true

func stopProcess(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func wakeProcess(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
