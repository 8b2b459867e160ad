package rotator

import (
	"os"
	"syscall"
)

const detachedProcess = 0x00000008 // DETACHED_PROCESS

// Detached gives a child no console and a process group of its own, so that
// closing the window or Ctrl-C does not reach it. A job object that ends all its
// processes still does.
func Detached() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP | detachedProcess, HideWindow: true}
}

// Ignored is every signal that a child ignores.
func Ignored() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
