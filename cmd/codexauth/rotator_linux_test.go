package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"codexauth/cmd/codexauth/internal/rotator"
	"codexauth/cmd/codexauth/internal/verdict"
)

// childrenOf are the processes that pid has started.
func childrenOf(pid int) (children []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// No signal that can be ignored ends a child in mid-rotation, and it bears no mark
// by which a CI system would.
func TestNothingEndsAChild(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "latency-after=500ms")
	b.env = append(b.env, "RUNNER_TRACKING_ID=x", "JENKINS_NODE_COOKIE=x", "BUILD_ID=x")
	r := b.start(t, "token")
	eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
	children := childrenOf(r.cmd.Process.Pid)
	if len(children) != 1 {
		t.Fatalf("%d children", len(children))
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", children[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"} {
		if strings.Contains(string(env), mark) {
			t.Errorf("the child bears %s", mark)
		}
	}
	if session, err := unix.Getsid(children[0]); err != nil || session != children[0] {
		t.Errorf("process %d is in session %d, %v: what ends that ends it", children[0], session, err)
	}
	for _, s := range rotator.Ignored() {
		if err := syscall.Kill(children[0], s.(syscall.Signal)); err != nil {
			t.Fatalf("%v: %v", s, err)
		}
	}
	if ended := r.end(t); ended.code != verdict.Done {
		t.Errorf("exit %d; it said %q", ended.code, ended.stderr)
	}
	if c := b.server.Counters(); c.TokenRequests != 1 {
		t.Errorf("counters %+v, want one refresh", c)
	}
}

// mustUnshare is unshare(1), where it can be had.
func mustUnshare(t *testing.T) string {
	t.Helper()
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" {
			t.Fatal("this test needs root and unshare(1)")
		}
		t.Skip("this test needs root and unshare(1) for a pid namespace of its own")
	}
	return unshare
}

// The first process of a container takes all others with it: when it is told to
// stop in the middle of a refresh, it waits for that.
func TestFirstProcessWaitsForTheChild(t *testing.T) {
	unshare := mustUnshare(t)
	for name, args := range map[string][]string{
		"token": {"token"}, "exec": {"exec", "--", "sleep", "60"},
		"serve": {"serve", "--socket", "SOCKET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newExpired(t)
			b.setFaults(t, "latency-after=500ms")
			args := slices.Clone(args)
			if i := slices.Index(args, "SOCKET"); i > 0 {
				args[i] = filepath.Join(b.home, "s")
			}
			cmd := b.command(args...)
			cmd.Args = append([]string{unshare, "--pid", "--fork", "--kill-child", "--mount-proc", cmd.Path}, args...)
			cmd.Path = unshare
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() }) // an error: it has ended
			eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
			first := childrenOf(cmd.Process.Pid)
			if len(first) != 1 {
				t.Fatalf("%d processes under unshare", len(first))
			}
			if err := syscall.Kill(first[0], syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			cmd.Wait() // its exit code is unshare's
			b.server.ClearFaults()
			wantToken(t, b.run(t, "token"))
			if c := b.server.Counters(); c.TokenRequests != 1 || c.Reuses != 0 {
				t.Errorf("counters %+v, want one refresh: what it brought was saved", c)
			}
		})
	}
}

// A child ignores every signal that would end or stop it, but for those that can't
// be ignored, that report a fault in it, or that do nothing.
func TestChildHeedsNoSignal(t *testing.T) {
	spared := []syscall.Signal{
		syscall.SIGKILL, syscall.SIGSTOP,
		syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSTKFLT, syscall.SIGSYS,
		syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGPWR, // Go's runtime heeds the last no more
	}
	for s := syscall.Signal(1); s < 32; s++ {
		if !slices.Contains(spared, s) && !slices.Contains(rotator.Ignored(), os.Signal(s)) {
			t.Errorf("%v ends or stops a child", s)
		}
	}
}
