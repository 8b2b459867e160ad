//go:build unix

// Package standstill has other processes stand still, for tests.
package standstill

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Can: this system has a way to make a process stand still.
const Can = true

// Stop makes a process stand still, and returns once it does: the signal alone
// returns before, and on a busy machine a server answers for a while yet. Where
// there is no /proc it is sent and no more.
func Stop(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); moves(p.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not stand still", p.Pid)
		}
	}
	return nil
}

// Continue lets it go on.
func Continue(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

// moves reports whether a thread of a process is not stopped (proc_pid_stat(5)).
func moves(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has ended
		}
		_, state, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
		if err != nil || !bytes.HasPrefix(state, []byte("T")) {
			return true
		}
	}
	return false
}
