package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"codexauth/internal/rig"
)

// stop has the process that refreshes stand still (SIGSTOP), as a laptop's lid or
// a debugger does. The others wait, or say who keeps them waiting; when it goes
// on, the login lives and nothing was sent twice.
func stop(b *run) ([]verdict, error) {
	still := rig.Pick(b.Run, 6*time.Second, 20*time.Second)
	proofs := append(sleepers(b), firstProcesses(b)...)
	return b.prove("stop", 8, append(proofs, []proof{
		{name: "stands once the request is out", play: standsAt(moment{"request-written", 1}, still, false)},
		{name: "stands with the answer in memory", play: standsAt(moment{"body-read", 1}, still, false)},
		{name: "stands in the middle of the save", play: standsAt(moment{"temp-synced", 2}, still, false)},
		{name: "stands, and what the person started is killed", play: standsAt(moment{"request-written", 1}, still, true)},
		{name: "stands between note and request, longer than the fence", play: pastFence},
		{name: "stopped from outside while the server works", play: stoppedOutside},
		{name: "a program with the library stands", play: libraryStands(still)},
		{name: "stands longer than a request may take", full: true, play: standsAt(moment{"request-written", 1}, 75*time.Second, false)},
		{name: "stands longer than anybody waits", full: true, play: standsTooLong(false)},
		{name: "stands longer than anybody waits, its parent killed", full: true, play: standsTooLong(true)},
	}...)), nil
}

func standsAt(m moment, still time.Duration, orphan bool) func(*trial) error {
	return func(t *trial) error {
		r, child, err := t.standing(m)
		if err != nil {
			return err
		}
		if orphan {
			r.Process.Kill()
			r.End()
		}
		others, err := t.others(4)
		time.Sleep(still)
		err = errors.Join(err, stillWaiting(others), syscall.Kill(child, syscall.SIGCONT))
		if err != nil {
			return err
		}
		if !orphan {
			_, err = t.honoured(r.End())
		}
		return errors.Join(err, t.served(others), t.livesAfter(1), t.noRescue())
	}
}

// pastFence: the request is withdrawn, since its note has become too old, and
// made again. The server sees a request that breaks off before its body, and one
// with the token.
func pastFence(t *trial) error {
	r, child, err := t.standing(moment{"note-saved", 1})
	if err != nil {
		return err
	}
	time.Sleep(12 * time.Second)
	if err := syscall.Kill(child, syscall.SIGCONT); err != nil {
		return err
	}
	_, err = t.honoured(r.End())
	notes := 0
	for _, p := range t.passages() {
		if p.point == "note-saved" {
			notes++
		}
	}
	if notes != 2 {
		err = errors.Join(err, fmt.Errorf("want the request withdrawn and a new note, got %d notes", notes))
	}
	if c := t.Server.Counters(); c.RefreshRequests != 1 || c.TokenRequests > 2 || c.Reuses != 0 {
		err = errors.Join(err, fmt.Errorf("want one request with a refresh token, got %+v", c))
	}
	return errors.Join(err, t.lives())
}

// stoppedOutside stops the child while the server has its request, and the
// answer comes to a process that stands.
func stoppedOutside(t *trial) error {
	r, err := t.asking()
	if err != nil {
		return err
	}
	child := childOf(r.Process.Pid)
	if err := syscall.Kill(child, syscall.SIGSTOP); err != nil {
		return err
	}
	others, err := t.others(4)
	time.Sleep(rig.Pick(t.b.Run, 6*time.Second, 20*time.Second))
	err = errors.Join(err, stillWaiting(others), syscall.Kill(child, syscall.SIGCONT))
	_, err2 := t.honoured(r.End())
	return errors.Join(err, err2, t.served(others), t.livesAfter(1))
}

// libraryStands: a long-lived program refreshes in its own process, which is
// stopped as a whole.
func libraryStands(still time.Duration) func(*trial) error {
	return func(t *trial) error {
		if err := t.Fault("latency=500ms"); err != nil {
			return err
		}
		r, err := t.Start("client", nil, "-store", t.Address, "-issuer", t.Issuer, "-goroutines", "8")
		if err != nil {
			return err
		}
		if err := errors.Join(t.untilAsked(1), r.Process.Signal(syscall.SIGSTOP)); err != nil {
			return err
		}
		others, err := t.others(4)
		time.Sleep(still)
		err = errors.Join(err, stillWaiting(others), r.Process.Signal(syscall.SIGCONT))
		return errors.Join(err, r.End().Want(0), t.served(others), t.livesAfter(1))
	}
}

// standsTooLong: who has waited in vain says for whom. If what
// the person started is killed, one of those who wait begins again in its place,
// and the others wait for that one first.
func standsTooLong(orphan bool) func(*trial) error {
	return func(t *trial) error {
		r, child, err := t.standing(moment{"request-written", 1})
		if err != nil {
			return err
		}
		// A child of its own is sent for each after 15 or 30 s, and waits for two minutes.
		holder, patience := r.Process.Pid, 160*time.Second
		if orphan {
			r.Process.Kill()
			r.End()
			holder, patience = child, 270*time.Second
		}
		others, err := t.others(2)
		var said []string
		named := false
		for _, other := range others {
			end := other.End()
			err = errors.Join(err, end.Want(exitTryLater, "held by process "))
			said = append(said, end.Errs)
			// Its parent gives up, too, and then the child is named by its own number.
			named = named || strings.Contains(end.Errs, fmt.Sprintf("process %d on", holder)) || strings.Contains(end.Errs, fmt.Sprintf("process %d on", child))
			if end.Wall > patience {
				err = errors.Join(err, fmt.Errorf("it waited for %v", end.Wall.Round(time.Second)))
			}
		}
		if !named {
			err = errors.Join(err, fmt.Errorf("nobody names process %d or its child %d, which all waited for: %q", holder, child, said))
		}
		return errors.Join(err, t.requests(1), syscall.Kill(child, syscall.SIGCONT), untilGone(child))
	}
}
