package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"codexauth/internal/rig"
)

// randomly measures the window that no program can close, and then kills.
func (k *killing) randomly(name string) ([]verdict, error) {
	open, ours, err := k.window()
	if err != nil {
		return nil, err
	}
	fmt.Printf("  the window: from the request to its durable answer median %.1f ms, longest %.1f ms; of that, from the answer's first byte on: median %.1f ms, longest %.1f ms\n",
		rig.Median(open), slices.Max(open), rig.Median(ours), slices.Max(ours))
	if err := k.atRandom(); err != nil {
		return nil, err
	}
	fmt.Printf("  at random: %v\n", k)
	return k.verdicts(name + " at random"), nil
}

// atRandom kills parent, group and child in turn, after delays that spread over
// the time that an undisturbed rotation takes.
func (k *killing) atRandom() error {
	whole, err := k.measure()
	if err != nil {
		return err
	}
	n := rig.Pick(k.b.Run, 100, 1500) // a thousand of them of what a person started
	if k.e != nil {
		n = rig.Pick(k.b.Run, 30, 300)
	}
	if k.brief {
		n = 40
	}
	fmt.Printf("  %d kills within %v, which a rotation takes\n", n, whole.Round(time.Millisecond))
	victims := []victim{theParent, theGroup, theChild}
	var wg sync.WaitGroup
	var hits atomic.Int64
	sources := k.sources
	if len(sources) == 0 {
		sources = []source{k.newKilling, k.newKilling}
	}
	for _, fresh := range sources {
		wg.Go(func() {
			for i := 0; hits.Load() < int64(n); i++ {
				v := victims[i%len(victims)]
				delay := rand.N(whole)
				hit, f, err := k.killAfter(fresh, delay, v)
				if hit || err != nil {
					hits.Add(1)
					k.count(v, fmt.Sprintf("after %v", delay), f, err)
				} else {
					k.mu.Lock()
					k.misses++
					k.mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// measure is the time of an undisturbed rotation.
func (k *killing) measure() (time.Duration, error) {
	var times []float64
	for range 7 {
		t, err := k.newKilling()
		if err != nil {
			return 0, err
		}
		r := t.Run("token", "--json")
		_, err = t.honoured(r)
		t.Close()
		if err != nil {
			return 0, err
		}
		times = append(times, r.Wall.Seconds())
	}
	return time.Duration(rig.Median(times) * float64(time.Second)), nil
}

// window measures undisturbed rotations.
func (k *killing) window() (open, ours []float64, err error) {
	for range rig.Pick(k.b.Run, 5, 15) {
		o, u, err := k.windowOf("faultpoints")
		if err != nil {
			return nil, nil, err
		}
		open, ours = append(open, o), append(ours, u)
	}
	return open, ours, nil
}

// windowOf measures, in an undisturbed rotation by a program, how many milliseconds it
// is from the end of the request until what came back is durable: whoever kills the
// rotating process in that time, after the server has spent the token, takes the login
// with it. The second figure begins with the answer's first byte.
func (k *killing) windowOf(program string) (open, ours float64, err error) {
	t, err := k.newKilling()
	if err != nil {
		return 0, 0, err
	}
	defer t.Close()
	_, err = t.honoured(t.RunProgram(program, t.pointEnv(""), "token", "--json"))
	last := map[string]time.Time{}
	for _, p := range t.passages() {
		last[p.point] = p.at
	}
	ms := func(from string) float64 {
		return float64(last["dir-synced"].Sub(last[from])) / float64(time.Millisecond)
	}
	return ms("request-written"), ms("headers-read"), err
}

// killAfter kills once and judges. It reports whether there was something to kill.
func (k *killing) killAfter(fresh source, delay time.Duration, v victim) (hit bool, f fate, err error) {
	t, err := fresh()
	if err != nil {
		return false, lost, err
	}
	defer t.Close()
	r, err := t.Start("codexauth", nil, "token", "--json")
	if err != nil {
		return false, lost, err
	}
	time.Sleep(delay)
	switch v {
	case theParent:
		err = syscall.Kill(r.Process.Pid, syscall.SIGKILL)
	case theGroup:
		err = syscall.Kill(-r.Process.Pid, syscall.SIGKILL)
	default:
		err = killChild(r.Process.Pid)
	}
	out := r.End()
	if hit = err == nil; err != nil && !errors.Is(err, syscall.ESRCH) {
		return false, lost, err
	}
	if out.Code == 0 {
		// Whatever the kill hit: a token that was printed is the one that is saved.
		if rec, err := t.stored(); err != nil || rec.Seq < 2 {
			return hit, lost, fmt.Errorf("a token was printed before its refresh token was saved: %+v, %w", rec, err)
		}
	}
	f, err = k.aftermath(t, v == theChild)
	if err == nil && f == alive && v != theChild {
		err = t.requests(2) // the rotation, and the refresh that proves that the login lives
	}
	return hit, f, err
}
