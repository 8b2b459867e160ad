//go:build unix

package main

import "syscall"

// rotatingVictims are whom a kill can hit while a child rotates.
func rotatingVictims() []victim { return []victim{theChild, theParent, theGroup} }

// killOne kills what a person started, or its group.
func killOne(r *running, v victim) error {
	pid := r.Process.Pid
	if v == theGroup {
		pid = -pid
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// goOn lets a process go on that stands at a fault point.
func (t *trial) goOn(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }
