package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"codexauth/internal/rig"
)

// processState is the letter in /proc, or 0.
func processState(pid int) byte {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if i := bytes.LastIndexByte(stat, ')'); err == nil && i+2 < len(stat) {
		return stat[i+2]
	}
	return 0
}

// childOf returns a child of a process, or 0.
func childOf(parent int) int {
	if all := childrenOf(parent); len(all) > 0 {
		return all[0]
	}
	return 0
}

// childrenOf returns the children of a process (proc_pid_task(5): children).
func childrenOf(parent int) (all []int) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent)) // the pattern is well formed
	for _, path := range paths {
		data, _ := os.ReadFile(path) // it may have ended
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}

// killChild kills the child of a process as soon as it has one.
func killChild(parent int) error {
	for {
		if child := childOf(parent); child != 0 {
			return syscall.Kill(child, syscall.SIGKILL)
		}
		if s := processState(parent); s == 0 || s == 'Z' {
			return syscall.ESRCH
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// killTree kills a process and what it started, which may be in another pid
// namespace.
func killTree(pid int) {
	for _, child := range childrenOf(pid) {
		killTree(child)
	}
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may have ended
	}
}

// killBoth kills a command and its child; 0 is the one that it has.
func killBoth(r *running, child int) error {
	if child == 0 {
		child = childOf(r.Process.Pid)
	}
	if child == 0 {
		return errors.New("the command has no child")
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		return err
	}
	r.Process.Kill() // it may have ended with its child
	r.End()
	return untilGone(child)
}

func untilGone(pid int) error {
	return rig.Until("a process to end", func() bool {
		s := processState(pid)
		return s == 0 || s == 'Z'
	})
}
