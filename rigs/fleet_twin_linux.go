package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// twin: a machine that was restored from the same memory snapshot has the boot id
// and the pid namespace of the one that refreshes, and none of its processes. It
// takes nobody for dead who is only cut off.
func (f *fleetRun) twin() error {
	faults := 0.0
	err := f.twinOf()
	var s skip
	if errors.As(err, &s) {
		fmt.Println("  skip the twin:", err)
		return nil
	}
	if err != nil {
		faults = 1
		fmt.Println("  FAULT with a snapshot's twin:", err)
	}
	f.judge(verdict{What: "a snapshot's twin of a holder that is cut off: faults", Got: faults})
	return nil
}

func (f *fleetRun) twinOf() error {
	if !f.b.Isolated() || os.Geteuid() != 0 {
		return skip{"no namespaces to be had here"}
	}
	t, err := f.b.newExpiredIn(f.e, sandbox.Config{})
	if err != nil {
		return err
	}
	defer t.Close()
	r, child, err := t.standing(moment{"headers-read", 1})
	if err != nil {
		return err
	}
	if err := f.e.cut(); err != nil {
		return errors.Join(err, killBoth(r, child))
	}
	script, err := t.twinScript()
	if err != nil {
		return errors.Join(err, killBoth(r, child))
	}
	twin, err := t.StartPath("unshare", t.homeOf(1), "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", script)
	if err != nil {
		return errors.Join(err, killBoth(r, child))
	}
	time.Sleep(rig.Pick(f.b.Run, 8*time.Second, 45*time.Second))
	if !twin.Runs() {
		err = fmt.Errorf("the twin did not wait: %v", twin.End())
	}
	err = errors.Join(err, t.requests(1), syscall.Kill(child, syscall.SIGCONT))
	_, tokenErr := t.honoured(r.End())
	return errors.Join(err, tokenErr, twin.End().Want(0), t.requests(1))
}

// twinScript runs codexauth with a /proc that names this boot and this pid
// namespace, in another one.
func (t *trial) twinScript() (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/self/ns/pid")
	if err := errors.Join(err, err2); err != nil {
		return "", err
	}
	program := t.Program("codexauth")
	return strings.Join([]string{"set -e", "mount -t tmpfs none /proc",
		"mkdir -p /proc/self/ns /proc/sys/kernel/random",
		"echo " + strings.TrimSpace(string(boot)) + " >/proc/sys/kernel/random/boot_id",
		"ln -s '" + space + "' /proc/self/ns/pid", "ln -s " + filepath.Clean(program) + " /proc/self/exe",
		"exec " + program + " token"}, "\n"), nil
}
