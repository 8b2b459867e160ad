package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// faults are what happens to the server, or to the process that refreshes, in the middle of a
// rotation. Whatever it is costs one token request, and nobody their token.
func (f *fleetRun) faults() error {
	down := rig.Pick(f.b.Run, 3*time.Second, 10*time.Second)
	still := rig.Pick(f.b.Run, 6*time.Second, 30*time.Second)
	for _, fault := range []struct {
		name string
		do   func(t *trial, child int) error
	}{
		{"all connections cut", func(*trial, int) error { return f.e.cut() }},
		{"connections cut again and again", func(*trial, int) error {
			var errs []error
			for range 10 {
				errs = append(errs, f.e.cut())
				time.Sleep(200 * time.Millisecond)
			}
			return errors.Join(errs...)
		}},
		{"the server stopped and started", func(*trial, int) error { return f.restart(false, down) }},
		{"the server crashed and started", func(*trial, int) error { return f.restart(true, down) }},
		{"the server stands still", func(*trial, int) error {
			err := f.e.pause()
			time.Sleep(still)
			return errors.Join(err, f.e.resume())
		}},
		{"the process that refreshes stands still", func(t *trial, child int) error {
			err := syscall.Kill(child, syscall.SIGSTOP)
			time.Sleep(still)
			return errors.Join(err, syscall.Kill(child, syscall.SIGCONT))
		}},
		{"the process that refreshes stands still and is cut off", func(t *trial, child int) error {
			err := errors.Join(syscall.Kill(child, syscall.SIGSTOP), f.e.cut())
			time.Sleep(still)
			return errors.Join(err, syscall.Kill(child, syscall.SIGCONT))
		}},
	} {
		began := time.Now()
		faults := 0.0
		if err := f.faultIn(fault.do); err != nil {
			faults = 1
			fmt.Printf("  FAULT in %s: %v\n", fault.name, err)
		}
		fmt.Printf("  %s: %v\n", fault.name, time.Since(began).Round(100*time.Millisecond))
		f.judge(verdict{What: "in mid-rotation, " + fault.name + ": faults", Got: faults})
	}
	return nil
}

func (f *fleetRun) restart(crash bool, down time.Duration) error {
	err := f.e.stop(crash)
	time.Sleep(down)
	return errors.Join(err, f.e.start())
}

// faultIn lets something happen while one refreshes, as a command, and others
// wait, each as on a machine of its own: commands, and programs with the library.
func (f *fleetRun) faultIn(do func(t *trial, child int) error) error {
	t, err := f.b.newExpiredIn(f.e, sandbox.Config{})
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.Fault("latency-after=4s"); err != nil { // the token is spent first
		return err
	}
	r, err := t.Start("codexauth", nil, "token", "--json")
	if err != nil {
		return err
	}
	if err := t.untilAsked(1); err != nil {
		return err
	}
	child := childOf(r.Process.Pid)
	var others []*running
	for i := range 6 {
		name, args := "codexauth", []string{"token"}
		if i%2 == 1 {
			name, args = "client", []string{"-store", t.Address, "-issuer", t.Issuer}
		}
		other, err := t.Start(name, t.homeOf(i), args...)
		if err != nil {
			return err
		}
		others = append(others, other)
	}
	if err := untilWaiting(f.e, len(others)); err != nil {
		return err
	}
	if err := do(t, child); err != nil {
		return err
	}
	_, err = t.honoured(r.End())
	for _, other := range others {
		err = errors.Join(err, other.End().Want(0))
	}
	return errors.Join(err, t.livesAfter(1), t.noRescue())
}
