package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// goroutines is how many ask in each process of a storm on the library.
const goroutines = 8

// A wave is processes that start at once and all want a token.
type wave struct {
	program string // codexauth or client
	n       int
	latency time.Duration // of the server
	keep    bool          // the server does not revoke the family of a reused token
}

func (w wave) String() string {
	family := "revoking"
	if w.keep {
		family = "keeping"
	}
	what := "codexauth token"
	if w.program == "client" {
		what = fmt.Sprintf("library, %d goroutines each", goroutines)
	}
	return fmt.Sprintf("%d × %s, %v, %s", w.n, what, w.latency, family)
}

// storm starts processes at once on one expired credential.
func storm(b *run) ([]verdict, error) {
	var verdicts []verdict
	for _, w := range waves(b) {
		if !strings.Contains(w.String(), b.Only) {
			continue
		}
		v, err := b.stormOf(w)
		if err != nil {
			return verdicts, fmt.Errorf("%v: %w", w, err)
		}
		verdicts = append(verdicts, v...)
	}
	return verdicts, nil
}

func waves(b *run) (all []wave) {
	for _, program := range []string{"codexauth", "client"} {
		for _, n := range rig.Pick(b.Run, []int{2, 32}, []int{2, 8, 32, 128}) {
			for _, latency := range []time.Duration{150 * time.Millisecond, 2 * time.Second} {
				for _, keep := range []bool{false, true} {
					if b.Quick && keep != (latency > time.Second) {
						continue
					}
					all = append(all, wave{program, n, latency, keep})
				}
			}
		}
		if !b.Quick {
			all = append(all, wave{program, 32, 10 * time.Second, false})
		}
	}
	return all
}

// stormOf repeats a wave on fresh logins, each followed by the same wave on the
// token that is valid then, against which it is measured.
func (b *run) stormOf(w wave) ([]verdict, error) {
	var sum sandbox.Counters
	var expired, valid []float64
	failures, strange := 0, 0
	rounds := rig.Pick(b.Run, 1, 3)
	if w.latency > 5*time.Second {
		rounds = 1
	}
	for range rounds {
		t, err := b.newExpired(sandbox.Config{KeepFamily: w.keep})
		if err != nil {
			return nil, err
		}
		if err := t.Fault("latency=" + w.latency.String()); err != nil {
			return nil, err
		}
		wall, tokens, failed := t.together(w)
		c := t.Server.Counters()
		sum.TokenRequests = max(sum.TokenRequests, c.TokenRequests)
		sum.Reuses += c.Reuses
		if len(tokens) != 1 {
			strange++
		}
		expired = append(expired, (wall - w.latency).Seconds())
		after, again, failedAgain := t.together(w)
		if !slices.Equal(tokens, again) {
			strange++
		}
		valid = append(valid, after.Seconds())
		failures += len(failed) + len(failedAgain)
		for _, f := range append(failed, failedAgain...) {
			fmt.Println("  FAULT:", f)
		}
		t.Close()
	}
	e, v := rig.Median(expired), rig.Median(valid)
	fmt.Printf("  %v: %.0f ms beyond the latency, %.0f ms on a valid token\n", w, e*1e3, v*1e3)
	return []verdict{
		{What: w.String() + ": token requests", Got: float64(sum.TokenRequests), Bound: 1},
		{What: w.String() + ": reuses, failures, other tokens", Got: float64(sum.Reuses + failures + strange)},
		{What: w.String() + ": wall beyond latency / valid", Got: e / v, Bound: 1.3, Speed: true},
	}, nil
}

// together runs a wave and returns the wall time, the different tokens, and
// what failed.
func (t *trial) together(w wave) (wall time.Duration, tokens []string, failed []result) {
	args := []string{"token"}
	if w.program == "client" {
		args = []string{"-store", t.Address, "-issuer", t.Issuer, "-goroutines", fmt.Sprint(goroutines)}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]bool{}
	began := time.Now()
	for range w.n {
		wg.Go(func() {
			r := t.RunProgram(w.program, nil, args...)
			mu.Lock()
			defer mu.Unlock()
			for line := range strings.Lines(r.Out) {
				seen[line] = true
			}
			if r.Code != 0 {
				failed = append(failed, r)
			}
		})
	}
	wg.Wait()
	return time.Since(began), slices.Sorted(maps.Keys(seen)), failed
}
