package rotator

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// Detached gives a child no console and a process group of its own, so that
// closing the window or Ctrl-C does not reach it. It leaves the job object, which
// may end all its processes, where the job lets it go: where it does not, a start
// with that flag is refused, and the second way remains.
func Detached() []*syscall.SysProcAttr {
	const alone = syscall.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS
	return []*syscall.SysProcAttr{
		{CreationFlags: alone | windows.CREATE_BREAKAWAY_FROM_JOB, HideWindow: true},
		{CreationFlags: alone, HideWindow: true},
	}
}

// Ignored is every signal that a child ignores.
func Ignored() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }
