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
	return all
}

// forgetPassages begins the log anew.
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
