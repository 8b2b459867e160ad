package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"codexauth/internal/rig"
)

// straceProofs give other answers to a process's system calls (strace(1), inject).
func straceProofs() []proof {
	proofs := []proof{
		{name: "EIO from each fsync, before a refresh", play: failingFromStart("fsync:error=EIO")},
		{name: "EIO from each rename, before a refresh", play: failingFromStart("rename,renameat,renameat2:error=EIO")},
		{name: "EIO from each fsync for two seconds in mid-refresh", play: failingForAWhile("fsync:error=EIO")},
		{name: "EIO from each rename for two seconds in mid-refresh", play: failingForAWhile("rename,renameat,renameat2:error=EIO")},
		{name: "EIO from the sync of the directory in mid-refresh", play: failingOnce("fsync:error=EIO:when=1", true)},
	}
	for name, inject := range map[string]string{
		"EIO from the write of the successor":      "pwrite64,write:error=EIO:when=1",
		"ENOSPC from the write of the successor":   "pwrite64,write:error=ENOSPC:when=1",
		"bytes of the successor lost, and no word": "pwrite64,write:retval=100:when=1",
		"EIO from the fsync of the successor":      "fsync:error=EIO:when=1",
		"EIO from the rename of the successor":     "rename,renameat,renameat2:error=EIO:when=1",
	} {
		proofs = append(proofs, proof{name: name, play: failingOnce(inject, false)})
	}
	return proofs
}

func findStrace() (string, error) {
	path, err := exec.LookPath("strace")
	if err != nil {
		return "", skip{"strace is not installed"}
	}
	return path, nil
}

// refusedTrace tells strace's own failure from the program's.
func refusedTrace(errs string) error {
	if strings.Contains(errs, "strace: ") || strings.Contains(strings.ToLower(errs), "ptrace") {
		return skip{"strace may not trace here: " + strings.TrimSpace(errs)}
	}
	return nil
}

func failingFromStart(inject string) func(*trial) error {
	return func(t *trial) error {
		strace, err := findStrace()
		if err != nil {
			return err
		}
		r, err := t.StartPath(strace, nil, "-f", "-qq", "-o", filepath.Join(t.Dir, "trace"), "-e", "inject="+inject,
			t.Program("codexauth"), "token")
		if err != nil {
			return err
		}
		end := r.End()
		if err := refusedTrace(end.Errs); err != nil {
			return err
		}
		return errors.Join(
			end.Want(1, "nothing was sent"),
			t.requests(0),
			t.livesAfter(1))
	}
}

// attach has strace answer the system calls of a process that stands.
func (t *trial) attach(pid int, inject string, more ...string) (*running, error) {
	strace, err := findStrace()
	if err != nil {
		return nil, err
	}
	args := append([]string{"-f", "-o", filepath.Join(t.Dir, "trace"), "-e", "inject=" + inject, "-p", fmt.Sprint(pid)}, more...)
	tracer, err := t.StartPath(strace, nil, args...)
	if err != nil {
		return nil, err
	}
	err = rig.Until("strace to attach", func() bool { return strings.Contains(tracer.Errs.String(), "attached") || !tracer.Runs() })
	if err == nil && !tracer.Runs() {
		err = errors.Join(refusedTrace(tracer.End().Errs), fmt.Errorf("strace: %v", tracer.End()))
	}
	return tracer, err
}

// failingOnce spoils one system call on the successor's temporary file, or on the
// store's directory.
func failingOnce(inject string, directory bool) func(*trial) error {
	return func(t *trial) error {
		r, child, err := t.standing(moment{"temp-created", 2})
		if err != nil {
			return err
		}
		path := t.Home
		if !directory {
			temps, err := filepath.Glob(filepath.Join(t.Home, ".codexauth-tmp-*"))
			if err != nil || len(temps) != 1 {
				return errors.Join(fmt.Errorf("temporary files: %v, %w", temps, err), killBoth(r, child))
			}
			path = temps[0]
		}
		tracer, err := t.attach(child, inject, "-P", path)
		if err != nil {
			return errors.Join(err, killBoth(r, child))
		}
		if err := syscall.Kill(child, syscall.SIGCONT); err != nil {
			return err
		}
		_, err = t.honoured(r.End())
		tracer.End() // it ends with what it traces
		return errors.Join(err, t.injected(), t.livesAfter(1), t.noRescue())
	}
}

// injected checks that strace did change an answer.
func (t *trial) injected() error {
	trace, err := os.ReadFile(filepath.Join(t.Dir, "trace"))
	if err == nil && !strings.Contains(string(trace), "(INJECTED)") {
		err = errors.New("strace changed nothing, so this proves nothing")
	}
	return err
}

// failingFromRequest spoils a system call of every file, rescue files included, from
// the moment that the request is out until the tracer is told to let go.
func (t *trial) failingFromRequest(inject string) (r, tracer *running, err error) {
	r, child, err := t.standing(moment{"request-written", 1})
	if err != nil {
		return nil, nil, err
	}
	if tracer, err = t.attach(child, inject); err == nil {
		err = syscall.Kill(child, syscall.SIGCONT)
	}
	if err != nil {
		return nil, nil, errors.Join(err, killBoth(r, child))
	}
	return r, tracer, nil
}

// failingForAWhile lets go after several attempts.
func failingForAWhile(inject string) func(*trial) error {
	return func(t *trial) error {
		r, tracer, err := t.failingFromRequest(inject)
		if err != nil {
			return err
		}
		time.Sleep(2 * time.Second) // several attempts
		if !r.Runs() {
			return fmt.Errorf("it ended before its successor was saved: %v", r.End())
		}
		if err := tracer.Process.Signal(syscall.SIGTERM); err != nil { // strace lets go
			return err
		}
		_, err = t.honoured(r.End())
		return errors.Join(err, t.injected(), t.livesAfter(1), t.noRescue())
	}
}
