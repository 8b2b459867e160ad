package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codexauth/internal/rig"
	"codexauth/internal/rig/standstill"
)

// A moment is the nth passage of a fault point by one process.
type moment struct {
	point string
	nth   int
}

func (m moment) String() string { return fmt.Sprintf("at %s, passage %d", m.point, m.nth) }

// A passage is a line of the points' log.
type passage struct {
	point string
	pid   int
	at    time.Time
}

// pointEnv has a program log the points that it passes and, if fault is not
// empty, act at one.
func (t *trial) pointEnv(fault string) []string {
	return []string{"CODEXAUTH_FAULTPOINT_LOG=" + filepath.Join(t.Dir, "points"), "CODEXAUTH_FAULTPOINT=" + fault}
}

func (t *trial) passages() (all []passage) {
	data, _ := os.ReadFile(filepath.Join(t.Dir, "points")) // none yet
	for line := range strings.Lines(string(data)) {
		var p passage
		var ns int64
		if n, _ := fmt.Sscan(line, &p.point, &p.pid, &ns); n == 3 {
			p.at = time.Unix(0, ns)
			all = append(all, p)
		}
	}
	return all
}

// forgetPassages begins the log anew.
func (t *trial) forgetPassages() error {
	return os.RemoveAll(filepath.Join(t.Dir, "points"))
}

// reached returns the process that came by this moment, or 0, and whether it has
// passed no other point since.
func (t *trial) reached(m moment) (pid int, last bool) {
	n := 0
	all := t.passages()
	for i, p := range all {
		if p.point == m.point {
			if n++; n == m.nth {
				return p.pid, i == len(all)-1
			}
		}
	}
	return 0, false
}

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
