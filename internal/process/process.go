// Package process identifies processes so that another one on the same machine
// can tell for certain that one has ended.
package process

import "os"

// CanTellDead reports whether this system tells for certain that a process of its
// own has ended.
func CanTellDead() bool { return Machine() != "" && Start(os.Getpid()) != "" }

// Gone reports whether the process that Start described as started is gone
// beyond doubt: only one of this very boot and pid namespace can be judged. One
// on another machine, or in another container, may merely be cut off.
func Gone(machine string, pid int, started string) bool {
	if machine == "" || machine != Machine() || started == "" {
		return false
	}
	now := Start(pid)
	return now != "" && now != started
}
