package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A moment is the nth passage of a fault point by one process.
type moment struct {
	point string
	nth   int
}

func (m moment) String() string { return fmt.Sprintf("at %s, passage %d", m.point, m.nth) }

// Moments at which claims are lost.
var claimed, delivered = moment{"claimed", 1}, moment{"delivered", 1}

// A passage is a line of the points' log.
type passage struct {
	point string
	pid   int
	at    time.Time
}

func (t *trial) pointLog() string { return filepath.Join(t.Dir, "points") }

// pointEnv has a program log the points that it passes and, if fault is not
// empty, act at one.
func (t *trial) pointEnv(fault string) []string {
	return []string{"CODEXAUTH_FAULTPOINT_LOG=" + t.pointLog(), "CODEXAUTH_FAULTPOINT=" + fault}
}

func (t *trial) passages() (all []passage) {
	data, _ := os.ReadFile(t.pointLog()) // none yet
	for line := range strings.Lines(string(data)) {
		var p passage
		var ns int64
		if n, _ := fmt.Sscan(line, &p.point, &p.pid, &ns); n == 3 {
			p.at = time.Unix(0, ns)
			all = append(all, p)
		}
	}
	return inOrder(all)
}

// inOrder puts right what two threads of a process note: that its request was written
// may stand after its answer's points, or not be noted yet.
func inOrder(noted []passage) (all []passage) {
	written := map[int]bool{} // is the request that a process sends among all?
	for _, p := range noted {
		switch done, sends := written[p.pid]; {
		case p.point == "before-send":
			written[p.pid] = false
		case p.point == "request-written" && done:
			continue
		case p.point == "request-written":
			written[p.pid] = true
		case p.point == "headers-read" && sends && !done:
			all = append(all, passage{"request-written", p.pid, p.at})
			written[p.pid] = true
		}
		all = append(all, p)
	}
	return all
}

// forgetPassages begins the log again.
func (t *trial) forgetPassages() error {
	return os.RemoveAll(t.pointLog())
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
