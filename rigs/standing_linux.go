package main

import (
	"fmt"
	"os"
	"syscall"

	"codexauth/internal/rig"
	"codexauth/internal/rig/standstill"
)

// standing starts a token command and returns when its child stands at m.
func (t *trial) standing(m moment) (r *running, child int, err error) {
	return t.standingAs("faultpoints", m)
}

func (t *trial) standingAs(program string, m moment) (r *running, child int, err error) {
	r, err = t.Start(program, t.pointEnv(fmt.Sprintf("%s=stop:%d", m.point, m.nth)), "token", "--json")
	if err != nil {
		return nil, 0, err
	}
	child, err = t.untilStanding(m)
	if err != nil {
		if child != 0 { // it may stand still past its point, where nobody would wake it
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		r.Process.Kill()
		r.End()
		return nil, 0, err
	}
	return r, child, nil
}

func (t *trial) untilStanding(m moment) (pid int, err error) {
	ranOn := false
	err = rig.Until("a process to stand "+m.String(), func() bool {
		var last bool
		if pid, last = t.reached(m); pid == 0 {
			return false
		}
		state := processState(pid)
		ranOn = !last || state == 0 || state == 'Z'
		return ranOn || state == 'T'
	})
	if err == nil && !ranOn {
		ranOn, err = t.standsStill(pid, m)
	}
	if ranOn {
		err = errRanOn
	}
	return pid, err
}

// standsStill waits until every thread of a process that was stopped at m stands
// still, and reports whether one of them ran on meanwhile.
func (t *trial) standsStill(pid int, m moment) (ranOn bool, err error) {
	process, err := os.FindProcess(pid)
	if err == nil {
		err = standstill.Stop(process)
	}
	_, last := t.reached(m)
	return !last, err
}
