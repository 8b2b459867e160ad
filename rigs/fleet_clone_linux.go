package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codexauth/internal/rig"
)

// clone: the machine that refreshes is cut off, and another that was restored from
// the same memory snapshot is there. It has the boot id and the pid namespace of the
// first, none of its processes, and the way to every server.
func (n *bridge) clone() error {
	t, each, err := n.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	faults := 0.0
	if err := n.cloneOn(t, each, rig.Pick(n.f.b.Run, 8*time.Second, 45*time.Second)); err != nil {
		fmt.Println("  FAULT with a machine from the same snapshot:", err)
		faults = 1
	}
	n.f.judge(verdict{What: "three machines: one from the snapshot of another that is cut off: faults", Got: faults})
	return nil
}

func (n *bridge) cloneOn(t *trial, each []*trial, away time.Duration) error {
	if err := t.Fault("latency-after=2s"); err != nil {
		return err
	}
	holder, err := each[0].Start("codexauth", nil, "token", "--json")
	if err != nil {
		return err
	}
	script, err := t.cloneScript(n.machines[0].pid)
	if err := errors.Join(err, t.untilAsked(1), n.machines[0].plug(false), n.f.e.cut()); err != nil {
		return err
	}
	clone, err := each[1].StartPath("unshare", nil, "--pid", "--mount", "--fork", "--kill-child", "sh", "-c", script)
	if err != nil {
		return errors.Join(err, n.machines[0].plug(true))
	}
	time.Sleep(away)
	if !clone.Runs() {
		err = fmt.Errorf("the clone did not wait: %v", clone.End())
	}
	err = errors.Join(err, t.requests(1), n.machines[0].plug(true))
	_, tokenErr := t.honoured(holder.End())
	return errors.Join(err, tokenErr, clone.End().Want(0), t.requests(1), t.noRescue())
}

// cloneScript runs codexauth with a /proc that names this boot and the pid namespace
// of a process, in another one.
func (t *trial) cloneScript(pid string) (string, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, err2 := os.Readlink("/proc/" + pid + "/ns/pid")
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
