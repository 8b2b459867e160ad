//go:build !windows

package browser

import (
	"os/exec"
	"syscall"
)

// detach gives the program a session of its own: no Ctrl-C and no closing of
// our terminal reaches it.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}
