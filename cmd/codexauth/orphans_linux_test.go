package main

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// In a container without an init, `exec` is the parent of what its program leaves
// behind, and keeps none of it in the list of processes.
func TestExecBuriesOrphans(t *testing.T) {
	unshare := mustUnshare(t)
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	// Three processes whose parents end before them; then the program waits until
	// its parent has no dead children.
	const program = `for i in 1 2 3; do sh -c 'sleep 0.1 & :'; done
while :; do
	dead=0
	for pid in $(cat /proc/1/task/*/children); do
		case "$(cat /proc/$pid/stat 2>/dev/null)" in *") Z "*) dead=$((dead+1)); seen=yes ;; esac
	done
	test "$seen" && test $dead = 0 && exit 7
	sleep 0.05
done`
	cmd := b.command("exec", "--", "timeout", strconv.Itoa(30), "sh", "-c", program)
	cmd.Args = append([]string{unshare, "--pid", "--fork", "--kill-child", "--mount-proc", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = unshare
	out, err := cmd.CombinedOutput()
	if _, ended := err.(*exec.ExitError); !ended || cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("exec ended with %v: %s", err, strings.TrimSpace(string(out)))
	}
}
