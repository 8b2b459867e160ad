package main

import (
	"os"

	"codexauth/internal/rig"
)

// rotatingVictims are whom a kill can hit while a child rotates. A group can't be
// ended at one go.
func rotatingVictims() []victim { return []victim{theChild, theParent} }

// killOne kills what a person started (TerminateProcess).
func killOne(r *running, _ victim) error { return r.Process.Kill() }

// goOn lets the process go on that stands at a fault point: it waits until its log
// has another name, which takes until nobody else has the file open.
func (t *trial) goOn(int) error {
	return rig.Until("the log to get another name", func() bool { return os.Rename(t.pointLog(), t.pointLog()+".old") == nil })
}
