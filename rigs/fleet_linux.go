package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"codexauth/internal/rig"
	"codexauth/internal/rig/pgserver"
	"codexauth/sandbox"
)

// fleet shares one login through a server: at once, while processes are killed or
// stand still, while the server is cut off, stopped or slow, and from machines of
// a network that comes apart.
func fleet(b *run) (verdicts []verdict, err error) {
	for _, kind := range []struct {
		name  string
		start func(host string) (engine, error)
	}{
		{"PostgreSQL", func(host string) (engine, error) { return newPostgres(pgserver.Options{Host: host}) }},
		{"etcd", func(host string) (engine, error) { return newEtcd(host) }},
	} {
		v, err := b.fleetOn(kind.name, kind.start)
		verdicts = append(verdicts, v...)
		if err != nil {
			return verdicts, fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	return verdicts, nil
}

// fleetOn is the rig on one kind of engine, which start starts for clients of a
// host's address.
func (b *run) fleetOn(kind string, start func(host string) (engine, error)) ([]verdict, error) {
	e, err := start("127.0.0.1")
	if err != nil {
		return nil, err
	}
	defer e.close()
	f := &fleetRun{b: b, e: e, name: kind}
	machines := func() error { return f.machines(start) }
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"start", f.start}, {"waves", f.waves}, {"waiters", f.waiters}, {"faults", f.faults}, {"lost claims", f.overtaken}, {"kills", f.kills}, {"flat", f.flat}, {"machines", machines},
	} {
		if !strings.Contains(kind+" "+part.name, b.Only) {
			continue
		}
		if err := part.run(); err != nil {
			return f.verdicts, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return f.verdicts, nil
}

// fleetRun is the rig on one engine.
type fleetRun struct {
	b        *run
	e        engine
	name     string
	verdicts []verdict
}

func (f *fleetRun) judge(v verdict) {
	v.What = f.name + ": " + v.What
	f.verdicts = append(f.verdicts, v)
}

// start times one command with the login in a file, and in the engine.
func (f *fleetRun) start() error {
	local, err := f.b.newTrial(sandbox.Config{})
	if err != nil {
		return err
	}
	defer local.Close()
	shared, err := f.b.newExpiredIn(f.e, sandbox.Config{})
	if err != nil {
		return err
	}
	defer shared.Close()
	if err := shared.Run("token").Want(0); err != nil { // it is valid from now on
		return err
	}
	var file, engine, ratio []float64
	for range rig.Pick(f.b.Run, 21, 41) {
		a, b := local.Run("token"), shared.Run("token")
		if err := errors.Join(a.Want(0), b.Want(0)); err != nil {
			return err
		}
		file, engine = append(file, a.Wall.Seconds()*1e3), append(engine, b.Wall.Seconds()*1e3)
		ratio = append(ratio, b.Wall.Seconds()/a.Wall.Seconds())
	}
	// No verdict: most of it is the server's own work for a connection.
	fmt.Printf("  codexauth token: %.1f ms from a file, %.1f ms from the server, %.2f times as much (medians of %d)\n",
		rig.Median(file), rig.Median(engine), rig.Median(ratio), len(ratio))
	return nil
}

// fleetSize is how many share the login.
const fleetSize = 32

// waves starts fresh command lines at once on an expired token, and again on the
// valid one: of one user, who share lock files too, and each as on a machine of
// its own.
func (f *fleetRun) waves() error {
	for _, apart := range []bool{false, true} {
		var w fleetWaves
		for range rig.Pick(f.b.Run, 1, 5) {
			t, err := f.b.newExpiredIn(f.e, sandbox.Config{})
			if err != nil {
				return err
			}
			if apart { // these machines have run it before, and have their directories
				err = t.settle(fleetSize)
			}
			if err == nil {
				err = w.add(t, func() (time.Duration, []string, []error) { return t.commands(fleetSize, apart) })
			}
			t.Close()
			if err != nil {
				return err
			}
		}
		if apart { // a machine each have more processors than this one, which runs a child for each
			w.judge(f, "commands that share the database alone", false)
		} else {
			w.judge(f, "commands of one user", true)
		}
	}
	return nil
}

// fleetWaves is what came of some waves of commands: each on an expired token
// first, and then on a valid one.
type fleetWaves struct {
	expired, valid []float64 // ms; without the server's latency
	most, wrong    int
}

// add makes one wave. commands starts a fleet and tells how long it took, the
// different tokens and what failed.
func (w *fleetWaves) add(t *trial, commands func() (time.Duration, []string, []error)) error {
	const latency = time.Second
	if err := t.Fault("latency=" + latency.String()); err != nil {
		return err
	}
	first, tokens, faults := commands()
	again, same, more := commands()
	if len(tokens) != 1 || !slices.Equal(tokens, same) {
		faults = append(faults, fmt.Errorf("%d different tokens, and then %d", len(tokens), len(same)))
	}
	c := t.Server.Counters()
	w.most, w.wrong = max(w.most, c.TokenRequests), w.wrong+len(faults)+len(more)+c.Reuses
	for _, err := range append(faults, more...) {
		fmt.Println("  FAULT:", err)
	}
	w.expired = append(w.expired, (first-latency).Seconds()*1e3)
	w.valid = append(w.valid, again.Seconds()*1e3)
	return nil
}

func (w *fleetWaves) judge(f *fleetRun, who string, timed bool) {
	fmt.Printf("  %d %s: %.0f ms beyond the latency, %.0f ms on a valid token (medians of %d)\n",
		fleetSize, who, rig.Median(w.expired), rig.Median(w.valid), len(w.valid))
	f.judge(verdict{What: who + ": token requests", Got: float64(w.most), Bound: 1})
	f.judge(verdict{What: who + ": reuses, failures, other tokens", Got: float64(w.wrong)})
	if timed {
		f.judge(verdict{What: who + ": wall beyond latency / valid", Got: rig.Median(w.expired) / rig.Median(w.valid), Bound: 1.3, Speed: true})
	}
}

// settle runs a command that changes nothing in each of n homes.
func (t *trial) settle(n int) error {
	var errs []error
	for i := range n {
		errs = append(errs, t.RunProgram("codexauth", t.homeOf(i), "status").Want(0))
	}
	return errors.Join(errs...)
}

// commands runs n at once. Apart, each has a home of its own.
func (t *trial) commands(n int, apart bool) (wall time.Duration, tokens []string, faults []error) {
	return together(n, func(i int) result {
		var env []string
		if apart {
			env = t.homeOf(i)
		}
		return t.RunProgram("codexauth", env, "token")
	})
}

// waiters are programs with the library that all wait for one of them.
func (f *fleetRun) waiters() error {
	var delays []float64
	most, wrong := 0, 0
	for range rig.Pick(f.b.Run, 1, 5) {
		t, err := f.b.newExpiredIn(f.e, sandbox.Config{})
		if err != nil {
			return err
		}
		if err := t.Fault("latency=3s"); err != nil { // by then all of them wait
			return err
		}
		rotated, had, err := timesOf([]*trial{t}, fleetSize)
		if err != nil {
			return err
		}
		c := t.Server.Counters()
		most = max(most, c.TokenRequests)
		wrong += c.Reuses + fleetSize - len(had)
		for _, at := range had {
			if at.After(rotated) {
				delays = append(delays, at.Sub(rotated).Seconds()*1e3)
			}
		}
		t.Close()
	}
	slices.Sort(delays)
	fmt.Printf("  %d programs that wait: the new token after %.1f ms at the median, %.1f ms at the latest\n", fleetSize, rig.Median(delays), delays[len(delays)-1])
	f.judge(verdict{What: "programs that wait: token requests", Got: float64(most), Bound: 1})
	f.judge(verdict{What: "programs that wait: reuses, failures", Got: float64(wrong)})
	f.judge(verdict{What: "programs that wait: ms from the commit to the token, median", Got: rig.Median(delays), Bound: 100, Speed: true})
	return nil
}

// timesOf runs n programs, spread over the trials of one login, and returns when
// the token was rotated and had.
func timesOf(each []*trial, n int) (rotated time.Time, had []time.Time, err error) {
	var programs []*running
	for i := range n {
		t := each[i%len(each)]
		r, err := t.Start("client", nil, "-store", t.Address, "-issuer", t.Issuer, "-times")
		if err != nil {
			return rotated, nil, err
		}
		programs = append(programs, r)
	}
	for _, r := range programs {
		out := r.End()
		if err := out.Want(0); err != nil {
			return rotated, nil, err
		}
		for line := range strings.Lines(out.Out) {
			var what string
			var at int64
			if _, err := fmt.Sscan(line, &what, &at); err != nil {
				return rotated, nil, err
			}
			if what == "rotated" {
				rotated = time.Unix(0, at)
			} else {
				had = append(had, time.Unix(0, at))
			}
		}
	}
	if rotated.IsZero() {
		return rotated, nil, errors.New("nobody rotated")
	}
	return rotated, had, nil
}

// kills cuts processes off at every point, and at random.
func (f *fleetRun) kills() error {
	k := &killing{b: f.b, e: f.e, passed: map[string]int{}}
	if err := k.sweep(); err != nil {
		return err
	}
	fmt.Printf("  at fault points: %v\n", k)
	for _, v := range k.verdicts("at points") {
		f.judge(v)
	}
	random := &killing{b: f.b, e: f.e}
	if err := random.atRandom(); err != nil {
		return err
	}
	fmt.Printf("  at random: %v\n", random)
	for _, v := range random.verdicts("at random") {
		f.judge(v)
	}
	return nil
}
