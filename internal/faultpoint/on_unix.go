//go:build faultpoints && unix

package faultpoint

import (
	"os"
	"syscall"
	"time"
)

func kill() { syscall.Kill(os.Getpid(), syscall.SIGKILL) }

func stop() {
	syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	time.Sleep(100 * time.Millisecond) // other threads run on for a moment
}
