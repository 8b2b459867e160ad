package main

import (
	"errors"
	"fmt"
	"syscall"

	"codexauth/internal/rig"
	"codexauth/internal/rig/pgserver"
	"codexauth/sandbox"
)

// versions has the command line of before records had today's fields and this one
// share a login, in both orders. What the older one drops of a record may cost a
// protection, and never the login.
func versions(b *run) (all []verdict, err error) {
	if why := b.NoHistory(); why != "" {
		fmt.Println("  skip: the older version can't be built:", why)
		return nil, nil
	}
	pg, err := newPostgres(pgserver.Options{Host: "127.0.0.1"})
	if err != nil {
		return nil, err
	}
	defer pg.close()
	upgrade := [][2]string{{"older", "codexauth"}, {"codexauth", "older"}}
	for _, place := range []struct {
		name string
		e    engine
	}{{"file", nil}, {"PostgreSQL", pg}} {
		alone := &versionPair{b: b, e: place.e, name: place.name}
		all = append(all, alone.judge("fields of a later version, a storm of this one", alone.unknownFields()))
		for i, order := range [][2]string{{"older", "faultpoints"}, {"faultpoints", "older"}} {
			v := &versionPair{b: b, e: place.e, first: order[0], second: order[1],
				name: place.name + ", " + []string{"older first", "newer first"}[i]}
			all = append(all, v.judge("a storm of both", v.storm()))
			if place.e == nil || !b.Quick { // a note without a witness is waited out, for 80 seconds each
				all = append(all, v.judge("kills of one, and then the other", v.kills()))
			}
			if place.e == nil {
				all = append(all, v.judge("a server whose program's file becomes the other version's", v.upgraded(upgrade[i][0], upgrade[i][1])))
				all = append(all, v.judge("a rescue file of one, picked up by the other", again(v.rescues)))
			}
		}
	}
	length, err := windows(b)
	return append(all, length), err
}

// windows compares how long an answer can be lost in the older version and in this
// one, in pairs.
func windows(b *run) (verdict, error) {
	k := &killing{b: b, passed: map[string]int{}}
	var before, now []float64
	for i := range rig.Pick(b.Run, 5, 41) {
		pair := [2]string{"older", "faultpoints"}
		if i%2 == 1 {
			pair[0], pair[1] = pair[1], pair[0]
		}
		for _, program := range pair {
			open, _, err := k.windowOf(program)
			if err != nil {
				return verdict{}, fmt.Errorf("the window of %s: %w", program, err)
			}
			if program == "older" {
				before = append(before, open)
			} else {
				now = append(now, open)
			}
		}
	}
	fmt.Printf("  from the request to its durable answer: the older one %.1f ms, this one %.1f ms (medians)\n", rig.Median(before), rig.Median(now))
	return verdict{What: "this window / the older one's, medians", Got: rig.Median(now) / rig.Median(before), Bound: 1.1, Speed: true}, nil
}

// versionPair is two versions that share logins.
type versionPair struct {
	b             *run
	e             engine
	name          string
	first, second string // programs
}

func (v *versionPair) judge(what string, err error) verdict {
	got := verdict{What: v.name + ": " + what + ": faults"}
	if err != nil {
		got.Got = 1
		fmt.Printf("  FAULT in %s: %s: %v\n", v.name, what, err)
	}
	return got
}

func (v *versionPair) expired() (*trial, error) {
	if v.e == nil {
		return v.b.newExpired(sandbox.Config{})
	}
	return v.b.newExpiredIn(v.e, sandbox.Config{})
}

// storm starts both at once on one expired token, and then both refresh in turn.
func (v *versionPair) storm() error {
	t, err := v.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.Fault("latency=300ms*1@refresh"); err != nil {
		return err
	}
	programs := []string{v.first, v.second}
	_, tokens, faults := together(16, func(i int) result { return t.RunProgram(programs[i%2], nil, "token") })
	err = errors.Join(faults...)
	if len(tokens) != 1 {
		err = errors.Join(err, fmt.Errorf("%d different tokens", len(tokens)))
	}
	err = errors.Join(err, t.requests(1))
	for range 3 {
		for _, program := range programs {
			err = errors.Join(err, t.RunProgram(program, nil, "refresh").Want(0))
		}
	}
	return errors.Join(err, t.requests(7), t.livesAfter(7), t.noRescue())
}

// kills kills the first at each of its moments, and has the second go on.
func (v *versionPair) kills() error {
	k := &killing{b: v.b, e: v.e, passed: map[string]int{}}
	s := scenario{name: "token", play: func(t *trial, env []string) (*running, error) {
		return t.Start(v.first, env, "token", "--json")
	}}
	moments, _, err := k.survey(s)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range moments {
		var windowed bool
		err := again(func() (err error) { windowed, err = v.killAt(k, s, m); return err })
		if err != nil {
			errs = append(errs, fmt.Errorf("killed %v: %w", m, err))
		}
		if windowed {
			k.count(theChild, m.String(), cutOff, nil)
		}
	}
	fmt.Printf("  %s: killed at %d moments, %d of them in the unavoidable window\n", v.name, len(moments), k.windows[theChild])
	return errors.Join(errs...)
}

// again plays what could not be shown because a process ran on.
func again(play func() error) (err error) {
	for range 4 {
		if err = play(); !errors.Is(err, errRanOn) {
			break
		}
	}
	return err
}

// killAt kills the child of the first at m. Then the second gets a token, unless
// the answer was on its way; that it says.
func (v *versionPair) killAt(k *killing, s scenario, m moment) (windowed bool, err error) {
	t, err := k.newKilling()
	if err != nil {
		return false, err
	}
	defer t.Close()
	r, err := s.play(t, t.pointEnv(fmt.Sprintf("%s=kill:%d", m.point, m.nth)))
	if err != nil {
		return false, err
	}
	r.End()
	before, err := t.stored()
	if err != nil {
		return false, err
	}
	spent := t.counters().Refreshes == 1 && before.Seq == 1
	next := t.RunProgram(v.second, nil, "token", "--json")
	if spent && next.Code != 0 {
		return true, next.Want(exitRefused, "cut off")
	}
	_, err = t.honoured(next)
	err = errors.Join(err, t.RunProgram(v.first, nil, "refresh").Want(0), t.RunProgram(v.second, nil, "refresh").Want(0))
	if c := t.counters(); c.Reuses+c.DeadFamily > 0 {
		err = errors.Join(err, fmt.Errorf("a spent token was sent: %+v", c))
	}
	return false, errors.Join(err, t.whole())
}

// rescues: the file that the first leaves is the second's to pick up.
func (v *versionPair) rescues() error {
	t, err := v.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.spillAs(v.first); err != nil {
		return err
	}
	_, err = t.honoured(t.RunProgram(v.second, nil, "token", "--json"))
	return errors.Join(err, t.requests(1), t.RunProgram(v.first, nil, "refresh").Want(0), t.RunProgram(v.second, nil, "refresh").Want(0), t.requests(3), t.noRescue())
}

// spill leaves the successor of the stored token in rescue files only: the store
// is moved away while the request is out, its process killed, and the store back.
func (t *trial) spill() error { return t.spillAs("faultpoints") }

func (t *trial) spillAs(program string) error {
	before := len(t.rescued())
	if err := t.forgetPassages(); err != nil { // another store's
		return err
	}
	r, child, err := t.standingAs(program, moment{"request-written", 1})
	if err != nil {
		return err
	}
	err = errors.Join(t.moveAway(), syscall.Kill(child, syscall.SIGCONT))
	if err == nil {
		err = rig.Until("two more rescue files", func() bool { return len(t.rescued()) == before+2 })
	}
	return errors.Join(err, killBoth(r, child), t.moveBack())
}
