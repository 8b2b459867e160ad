//go:build !linux

package main

import "codexauth/internal/rig"

// untilStanding returns the process that stands at m: it has written so, and nothing
// after it.
func (t *trial) untilStanding(m moment) (pid int, err error) {
	last := false
	err = rig.Until("a process to stand "+m.String(), func() bool {
		pid, last = t.reached(m)
		return pid != 0
	})
	if err == nil && !last {
		err = errRanOn
	}
	return pid, err
}
