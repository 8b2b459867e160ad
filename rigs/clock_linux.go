package main

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"codexauth/internal/rig"
)

// clock runs a program whose wall clock is an hour wrong against a server whose
// clock is right. Once an answer has taught it the difference, it refreshes
// neither too often nor too late. So does one whose clock jumps, one that was
// suspended, and one that is not told when its token ends.
func clock(b *run) ([]verdict, error) {
	var proofs []proof
	for _, shift := range []time.Duration{time.Hour, -time.Hour} {
		way := "ahead"
		if shift < 0 {
			way = "behind"
		}
		env := []string{rig.ShiftVariable + "=" + strconv.Itoa(int(shift/time.Second))}
		proofs = append(proofs,
			proof{name: "an hour " + way, play: func(t *trial) error { return learned(t, env) }},
			proof{name: "set an hour " + way + " since the last refresh", play: func(t *trial) error { return unlearned(t, env, shift) }})
	}
	proofs = append(proofs,
		proof{name: "right", play: func(t *trial) error { return learned(t, nil) }},
		proof{name: "an answer without expires_in", play: undated("no-expires-in*1@refresh")},
		proof{name: "tokens without exp", play: undated("no-exp*1@refresh")},
		proof{name: "neither expires_in nor exp", play: undated("no-expires-in*1@refresh", "no-exp*1@refresh")},
	)
	return b.prove("clock", 4, append(proofs, suspended()...)), nil
}

const starts = 20

// shifted runs the program with the wrong clock.
func (t *trial) shifted(env []string, args ...string) result {
	return t.RunProgram("shifted", env, args...)
}

// startOften starts the program 20 times, one after the other or all at once,
// and returns how many of the tokens printed the backend refuses.
func (t *trial) startOften(env []string, atOnce bool) (dead int, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	one := func() {
		r := t.shifted(env, "token", "--json")
		token, failed := readBearer(r)
		status := 0
		if failed == nil {
			status, failed = t.ask(token)
		}
		mu.Lock()
		defer mu.Unlock()
		if err = errors.Join(err, failed); failed == nil && status != 200 {
			dead++
		}
	}
	for range starts {
		if atOnce {
			wg.Go(one)
		} else {
			one()
		}
	}
	wg.Wait()
	return dead, err
}

// learned: a refresh by this very program has taught it the difference. From
// then on a valid token costs no request, and an expired one costs one.
func learned(t *trial, env []string) error {
	if err := t.shifted(env, "refresh").Want(0); err != nil {
		return err
	}
	for _, expired := range []bool{false, true} {
		for _, atOnce := range []bool{false, true} {
			want := 0
			if expired {
				want = 1
				t.Server.SetAccessTTL(-10 * time.Minute)
				if r := t.shifted(env, "refresh"); r.Code != 0 && r.Code != exitTryLater {
					return fmt.Errorf("getting an expired token: %v", r)
				}
				t.Server.SetAccessTTL(time.Hour)
			}
			t.Server.ResetCounters()
			dead, err := t.startOften(env, atOnce)
			if dead > 0 {
				err = errors.Join(err, fmt.Errorf("%d of %d tokens printed are refused by the backend", dead, starts))
			}
			if err = errors.Join(err, t.requests(want)); err != nil {
				return fmt.Errorf("expired %v, at once %v: %w", expired, atOnce, err)
			}
		}
	}
	return nil
}

// unlearned: the clock was set wrong after the last refresh. The first start
// refreshes, learns, and that is all.
func unlearned(t *trial, env []string, shift time.Duration) error {
	if err := t.Run("refresh").Want(0); err != nil {
		return err
	}
	t.Server.ResetCounters()
	dead, err := t.startOften(env, false)
	if dead > 0 {
		err = errors.Join(err, fmt.Errorf("%d tokens printed are refused by the backend", dead))
	}
	// One refresh, which teaches the issuer's clock: a clock that was set forward
	// finds the token expired, and one that was set back finds that it comes from
	// the future.
	if err = errors.Join(err, t.requests(1)); err != nil || shift > 0 {
		return err
	}
	if err := t.renewBy("codexauth"); err != nil {
		return err
	}
	if dead, err = t.startOften(env, false); dead > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d starts printed a token that has expired", dead, starts))
	}
	return errors.Join(err, t.requests(1), t.lives())
}

// renewBy makes the stored token one that has expired since it came: one that had
// ended on its arrival is a reason to back off.
func (t *trial) renewBy(program string) error {
	const life = 2 * time.Second
	t.Server.SetAccessTTL(life)
	defer t.Server.ResetCounters()
	defer t.Server.SetAccessTTL(time.Hour)
	err := t.RunProgram(program, nil, "refresh").Want(0)
	time.Sleep(life)
	return err
}

// undated: what says when a token ends is missing. It is taken for what is left
// of that to say, or for the service's usual life: it costs no second request,
// and a backend that refuses it costs one.
func undated(faults ...string) func(*trial) error {
	return func(t *trial) error {
		if err := errors.Join(t.Fault(faults...), t.livesAfter(1)); err != nil {
			return err
		}
		for range 5 {
			if err := t.livesAfter(1); err != nil {
				return err
			}
		}
		return errors.Join(t.Run("refresh").Want(0), t.livesAfter(2))
	}
}
