package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"codexauth/internal/rig"
)

// sleepers are proofs of a process that sleeps while others want a token, and of
// a container's first process that is told to stop. What sleeps keeps nobody.
func sleepers(b *run) (proofs []proof) {
	for _, ms := range rig.Pick(b.Run, []int{2, 8, 20, 60}, []int{1, 2, 4, 6, 8, 12, 16, 20, 30, 40, 60, 100, 200}) {
		after := time.Duration(ms) * time.Millisecond
		proofs = append(proofs, proof{name: fmt.Sprintf("what the person started is suspended after %v", after), play: parentSleeps(after, false)})
	}
	return append(proofs,
		proof{name: "what a tool started is suspended, and killed by its time-out", play: parentSleeps(20*time.Millisecond, true)},
		proof{name: "suspended while its child asks", play: sleepsWhileAsking(false)},
		proof{name: "suspended while its child asks, and killed", play: sleepsWhileAsking(true)},
	)
}

// patienceWithSleepers is more than a busy machine needs, and less than the two
// minutes that a holder is waited for.
const patienceWithSleepers = 75 * time.Second

// parentSleeps suspends a command wherever it is after a while. In the end it is
// killed, as a tool's time-out does, or goes on.
func parentSleeps(after time.Duration, killed bool) func(*trial) error {
	return func(t *trial) error {
		if err := t.Fault("latency=100ms*1@refresh"); err != nil {
			return err
		}
		r, err := t.Start("codexauth", nil, "token", "--json")
		if err != nil {
			return err
		}
		time.Sleep(after)
		if err := r.Process.Signal(syscall.SIGSTOP); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return t.othersGoOn(r, killed)
	}
}

func sleepsWhileAsking(killed bool) func(*trial) error {
	return func(t *trial) error {
		r, err := t.slowly()
		if err != nil {
			return err
		}
		if err := r.Process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		return t.othersGoOn(r, killed)
	}
}

// othersGoOn: while r sleeps, others get a token and refresh it.
func (t *trial) othersGoOn(r *running, killed bool) error {
	others, err := t.others(2)
	if killed {
		err = errors.Join(err, syscall.Kill(-r.Process.Pid, syscall.SIGKILL))
	}
	for _, other := range others {
		end := other.End()
		_, tokenErr := t.honoured(end)
		err = errors.Join(err, tokenErr)
		if end.Wall > patienceWithSleepers {
			err = errors.Join(err, fmt.Errorf("it waited for %v", end.Wall.Round(time.Second)))
		}
	}
	refreshed := t.Run("refresh")
	err = errors.Join(err, refreshed.Want(0))
	if refreshed.Wall > patienceWithSleepers {
		err = errors.Join(err, fmt.Errorf("a refresh waited for %v", refreshed.Wall.Round(time.Second)))
	}
	if !killed {
		if sig := r.Process.Signal(syscall.SIGCONT); sig != nil && !errors.Is(sig, os.ErrProcessDone) {
			err = errors.Join(err, sig)
		}
		_, tokenErr := t.honoured(r.End())
		err = errors.Join(err, tokenErr)
	}
	if c := t.Server.Counters(); c.Reuses+c.DeadFamily > 0 || c.TokenRequests > 3 {
		err = errors.Join(err, fmt.Errorf("server: %+v", c))
	}
	return errors.Join(err, t.lives(), t.noRescue())
}

// firstProcesses are proofs of codexauth as the first process of a container, or
// under a small init, or as a service manager's unit: what is told to stop waits
// for the refresh that would end with it.
func firstProcesses(b *run) (proofs []proof) {
	commands := map[string][]string{"token": {"token"}, "exec": {"exec", "--", "sleep", "60"}, "serve": {"serve", "--socket", "SOCKET"}}
	for name, args := range commands {
		points := []string{"request-written"}
		if name == "token" {
			points = rig.Pick(b.Run, []string{"note-saved", "request-written", "body-read", "successor-saved"},
				[]string{"claimed", "note-saved", "before-send", "request-written", "headers-read", "body-read", "renamed", "successor-saved", "published"})
		}
		for _, point := range points {
			proofs = append(proofs, proof{name: fmt.Sprintf("PID 1 of a container, %s, stopped at %s", name, point), play: firstStopped(point, nil, args)})
		}
	}
	self := []string{"/proc/self/exe"}
	return append(proofs,
		proof{name: "under a small init, token, stopped at request-written", play: firstStopped("request-written", self, []string{"token"})},
		proof{name: "a unit of a service manager, stopped at request-written", play: unitStopped})
}

// graceOfContainers is how long `docker stop` waits before it kills, less what a
// busy machine needs.
const graceOfContainers = 10 * time.Second

// firstStopped lets a command run in a pid namespace of its own until its child
// stands, tells the first process there to stop, and lets the child go on.
func firstStopped(point string, init, args []string) func(*trial) error {
	return func(t *trial) error {
		if !t.b.Isolated() || os.Geteuid() != 0 {
			return skip{"no pid namespace available here"}
		}
		if len(init) > 0 {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			init = []string{self, initCommand}
		}
		command := append([]string{"--pid", "--fork", "--kill-child", "--mount-proc"}, init...)
		command = append(command, t.Program("faultpoints"))
		for _, arg := range args {
			if arg == "SOCKET" {
				arg = filepath.Join(t.Dir, "s", "socket")
				if err := os.Mkdir(filepath.Dir(arg), 0o700); err != nil {
					return err
				}
			}
			command = append(command, arg)
		}
		r, err := t.StartPath("unshare", t.pointEnv(point+"=stop:1"), command...)
		if err != nil {
			return err
		}
		child := 0
		err = rig.Until("a child that stands", func() bool {
			child = standingBelow(r.Process.Pid)
			return child != 0 || !r.Runs()
		})
		if err != nil || child == 0 {
			killTree(r.Process.Pid)
			return fmt.Errorf("it did not come to stand: %w, %v", err, r.End())
		}
		first := childOf(r.Process.Pid)
		began := time.Now()
		err = syscall.Kill(first, syscall.SIGTERM)
		time.Sleep(500 * time.Millisecond)
		if state := processState(first); state == 0 || state == 'Z' {
			err = errors.Join(err, errors.New("the first process did not wait"))
		}
		_ = syscall.Kill(child, syscall.SIGCONT) // it is gone with the first
		r.End()
		if took := time.Since(began); took > graceOfContainers {
			err = errors.Join(err, fmt.Errorf("it was gone after %v", took))
		}
		return errors.Join(err, t.livesAfter(1), t.noRescue())
	}
}

// standingBelow finds a stopped process below another, or 0.
func standingBelow(pid int) int {
	for _, child := range childrenOf(pid) {
		if processState(child) == 'T' {
			return child
		}
		if found := standingBelow(child); found != 0 {
			return found
		}
	}
	return 0
}

// unitStopped does what a service manager does to a unit: it tells all processes
// to end, and kills what is left when the main one has.
func unitStopped(t *trial) error {
	if err := t.Fault("latency-after=500ms"); err != nil {
		return err
	}
	r, err := t.StartPath("/bin/sh", nil, "-c", "SYSTEMD_EXEC_PID=$$ exec "+t.Program("codexauth")+" token")
	if err != nil {
		return err
	}
	err = rig.Until("the refresh", func() bool { return t.Server.Counters().Refreshes == 1 })
	child := childOf(r.Process.Pid)
	if err != nil || child == 0 {
		return fmt.Errorf("no child: %w", err)
	}
	err = errors.Join(syscall.Kill(child, syscall.SIGTERM), r.Process.Signal(syscall.SIGTERM))
	r.End()
	_ = syscall.Kill(child, syscall.SIGKILL) // it may have ended
	return errors.Join(err, untilGone(child), t.livesAfter(1), t.noRescue())
}
