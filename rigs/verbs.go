package main

import (
	"errors"
	"slices"
	"sync"
	"time"

	"codexauth/internal/rig"
)

// untilAsked waits until the server has seen so many token requests.
func (t *trial) untilAsked(n int) error {
	return rig.Until("a token request", func() bool { return t.counters().TokenRequests >= n })
}

func (t *trial) untilRescued() error {
	return rig.Until("a rescue file in two places", func() bool { return len(t.rescued()) == 2 })
}

// asking starts a token command and returns while its request is at the server,
// for half a second.
func (t *trial) asking() (*running, error) { return t.askingUnder("latency=500ms") }

// slowly is asking with a refresh that takes the server a second.
func (t *trial) slowly() (*running, error) { return t.askingUnder("latency=1s@refresh") }

func (t *trial) askingUnder(fault string) (*running, error) {
	if err := t.Fault(fault); err != nil {
		return nil, err
	}
	r, err := t.Start("codexauth", nil, "token", "--json")
	if err != nil {
		return nil, err
	}
	return r, t.untilAsked(1)
}

// others starts commands that want a token.
func (t *trial) others(n int) ([]*running, error) { return t.othersOf("codexauth", n) }

func (t *trial) othersOf(program string, n int) (all []*running, err error) {
	for range n {
		r, err := t.Start(program, nil, "token", "--json")
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

// together makes n runs of `codexauth token` at once.
func together(n int, run func(i int) result) (wall time.Duration, tokens []string, faults []error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	began := time.Now()
	for i := range n {
		all.Go(func() {
			r := run(i)
			mu.Lock()
			defer mu.Unlock()
			if r.Code != 0 {
				faults = append(faults, errors.New(r.String()))
			} else if !slices.Contains(tokens, r.Out) {
				tokens = append(tokens, r.Out)
			}
		})
	}
	all.Wait()
	return time.Since(began), tokens, faults
}
