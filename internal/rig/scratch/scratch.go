// Package scratch makes temporary directories that end with the process that made
// them, also where it is killed: a test run or a rig that somebody interrupts leaves
// nothing behind.
package scratch

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"

	"codexauth/internal/rig/program"
)

// Dir is such a directory.
type Dir struct {
	Path   string
	keeper *exec.Cmd // removes it when its standard input ends; nil where there is no shell
	hold   io.Closer
}

// all removes a directory for as long as somebody may still write into it.
const all = `cat >/dev/null; n=0; until rm -rf "$1" 2>/dev/null || [ $n -ge 100 ]; do sleep 0.1; n=$((n+1)); done`

// emptied removes a directory that another process empties.
const emptied = `cat >/dev/null; n=0; until rmdir "$1" 2>/dev/null || [ ! -e "$1" ] || [ $n -ge 100 ]; do sleep 0.1; n=$((n+1)); done`

// New makes one. Remove removes it, with all that is in it.
func New(prefix string) (*Dir, error) { return create(prefix, all) }

// NewEmptied is New for what other processes hold open, who empty it when this one
// ends: only then it is removed.
func NewEmptied(prefix string) (*Dir, error) { return create(prefix, emptied) }

func create(prefix, script string) (*Dir, error) {
	path, err := os.MkdirTemp("", prefix)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: path}
	if runtime.GOOS == "windows" {
		return d, nil
	}
	d.keeper = exec.Command("/bin/sh", "-c", script, "keeper", path)
	d.keeper.Dir = "/"
	program.OwnGroup(d.keeper) // Ctrl-C is not for it
	if d.hold, err = d.keeper.StdinPipe(); err == nil {
		err = d.keeper.Start()
	}
	if err != nil {
		d.keeper = nil
		return nil, errors.Join(err, d.Remove())
	}
	return d, nil
}

// Remove removes the directory and all that is in it.
func (d *Dir) Remove() error {
	if d == nil {
		return nil
	}
	err := os.RemoveAll(d.Path)
	if d.keeper != nil {
		d.hold.Close()
		_ = d.keeper.Wait() // it finds nothing to do
	}
	return err
}
