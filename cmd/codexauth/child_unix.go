//go:build unix

package main

import "syscall"

// detached puts a child into a session of its own: no terminal, and no signal to
// the parent's process group, reaches it.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
