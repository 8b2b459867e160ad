package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"codexauth/sandbox"
)

// A proof is one thing that happens to a login, after which it must live, or be
// reported lost in the right words.
type proof struct {
	name string
	cfg  sandbox.Config
	e    engine             // keeps the login; nil: a file
	full bool               // takes long: in the full run only
	play func(*trial) error // begins with an expired access token
}

// A skip is why a proof can't be had on this machine.
type skip struct{ reason string }

func (s skip) Error() string { return s.reason }

// prove plays proofs, some of them at once. A verdict is how many things went
// wrong in one.
func (b *run) prove(name string, atOnce int, proofs []proof) []verdict {
	verdicts := make([]verdict, 0, len(proofs))
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range proofs {
		if p.full && b.Quick || !strings.Contains(p.name, b.Only) {
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			began := time.Now()
			counters, err := b.proveOne(p)
			for range 3 {
				if !errors.Is(err, errRanOn) {
					break
				}
				counters, err = b.proveOne(p)
			}
			mu.Lock()
			defer mu.Unlock()
			var s skip
			if errors.As(err, &s) {
				fmt.Printf("  skip %s: %s\n", p.name, s.reason)
				return
			}
			fmt.Printf("  %s: %d token requests, %d reuses, %v\n", p.name, counters.TokenRequests, counters.Reuses, time.Since(began).Round(100*time.Millisecond))
			v := verdict{What: name + ": " + p.name + ": faults"}
			if err != nil {
				v.Got = 1
				fmt.Printf("  FAULT in %s: %v\n", p.name, err)
			}
			verdicts = append(verdicts, v)
		})
	}
	wg.Wait()
	return verdicts
}

func (b *run) proveOne(p proof) (c sandbox.Counters, err error) {
	t, err := b.newExpiredAt(p.e, p.cfg)
	if err != nil {
		return c, err
	}
	defer t.Close()
	err = p.play(t)
	return t.Server.Counters(), err
}

// errRanOn: on a busy machine a process can go on for a while after it has told
// itself to stop. Then what was to be shown was not, and is played again.
var errRanOn = errors.New("the process ran on past the point at which it was to stop")
