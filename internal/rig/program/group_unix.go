//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// OwnGroup puts a program into a process group of its own, as a shell does.
func OwnGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
