//go:build unix

package rotator

import (
	"os"
	"syscall"
)

// Detached puts a child into a session of its own: no terminal, and no signal to
// the parent's process group, reaches it. Where there are several ways to start a
// child, the best comes first.
func Detached() []*syscall.SysProcAttr { return []*syscall.SysProcAttr{{Setsid: true}} }

// Ignored is every signal that would end or stop a child, can be ignored,
// and does not report a fault in it.
func Ignored() []os.Signal {
	return []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
		syscall.SIGVTALRM, syscall.SIGPROF, syscall.SIGIO,
		syscall.SIGXCPU, syscall.SIGXFSZ, // what is over a limit fails, and is then saved elsewhere
	}
}
