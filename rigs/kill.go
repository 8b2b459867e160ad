package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"codexauth/sandbox"
)

// kill cuts processes off: at every fault point that a rotation, a sign-in, a
// sign-out and a move come by, and at random moments of a rotation.
func kill(b *run) ([]verdict, error) {
	return b.killAll("kill")
}

// A source makes logins that are to be killed, one after the other.
type source func() (*trial, error)

// killAll sweeps, and then kills at random at all sources at once.
func (b *run) killAll(name string, sources ...source) ([]verdict, error) {
	brief := b.Quick && name != "kill"
	k := &killing{b: b, sources: sources, brief: brief, passed: map[string]int{}}
	if err := k.sweep(); err != nil {
		return nil, err
	}
	fmt.Printf("  at fault points: %v\n", k)
	verdicts := k.verdicts(name + " at points")
	if b.Only != "" {
		return verdicts, nil
	}
	verdicts = append(verdicts, k.pointVerdict(name))
	random, err := (&killing{b: b, sources: sources, brief: brief}).randomly(name)
	return append(verdicts, random...), err
}

// A victim is what a kill hits.
type victim string

const (
	theChild  victim = "child"  // the process that rotates
	theParent victim = "parent" // the process that the person started
	theGroup  victim = "group"  // its process group
	theOnly   victim = "process"
)

// A fate is what became of a login.
type fate int

const (
	alive     fate = iota
	lost           // although it was saved, or nothing was spent
	cutOff         // in the instant between the server's answer and its save
	signedOut      // by the logout that was killed
)

// killing counts kills and what they left behind.
type killing struct {
	b       *run
	e       engine   // keeps the logins; nil: files
	sources []source // make the logins that are killed, in turn; nil: newKilling
	brief   bool     // fewer kills: this server is slow, and the run a quick one

	mu       sync.Mutex
	kills    map[victim]int
	windows  map[victim]int
	misses   int // the process had ended
	faults   int // logins lost outside the window, and every other broken promise
	torn     int
	rescues  int
	passed   map[string]int // fault points
	sessions int            // sign-outs that were cut off before the server knew
}

func (k *killing) String() string {
	n, windows := 0, 0
	for _, kills := range k.kills {
		n += kills
	}
	for _, w := range k.windows {
		windows += w
	}
	share := 0.0
	if n > 0 {
		share = 100 * float64(windows) / float64(n)
	}
	return fmt.Sprintf("%d kills %v and %d too late; %d logins (%.1f%%) lost in the unavoidable window %v; %d torn records, %d rescue files left, %d sessions left at the server",
		n, k.kills, k.misses, windows, share, k.windows, k.torn, k.rescues, k.sessions)
}

func (k *killing) verdicts(how string) []verdict {
	n := 0
	for _, kills := range k.kills {
		n += kills
	}
	return []verdict{
		{What: how + ": kills", Got: float64(n), Bound: 1, Least: true},
		{What: how + ": logins lost outside the window, wrong messages, other faults", Got: float64(k.faults)},
		{What: how + ": logins lost in the window by killing what the person started", Got: float64(k.windows[theParent] + k.windows[theGroup])},
		{What: how + ": torn records", Got: float64(k.torn)},
		{What: how + ": rescue files left", Got: float64(k.rescues)},
	}
}

// count enters one kill.
func (k *killing) count(v victim, what string, f fate, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kills == nil {
		k.kills, k.windows = map[victim]int{}, map[victim]int{}
	}
	k.kills[v]++
	if f == cutOff {
		k.windows[v]++
	}
	var t *tornError
	if errors.As(err, &t) {
		k.torn++
	}
	if err != nil {
		k.faults++
		fmt.Printf("  FAULT after killing the %s %s: %v\n", v, what, err)
	}
}

type tornError struct{ error }

func (e *tornError) Unwrap() error { return e.error }

// aftermath looks at what a kill left behind, in the eyes of the next process.
// spent is whether the kill may have hit the process that spends the token.
func (k *killing) aftermath(t *trial, spent bool) (fate, error) {
	if err := t.whole(); err != nil {
		return lost, &tornError{err}
	}
	before, err := t.stored()
	if err != nil {
		return lost, err
	}
	r := t.Run("token", "--json")
	defer func() {
		k.mu.Lock()
		k.rescues += len(t.rescued())
		k.mu.Unlock()
	}()
	if r.Code != exitRefused {
		if _, err := t.honoured(r); err != nil {
			return lost, err
		}
		if err := t.livesOn(); err != nil {
			return lost, err
		}
		return alive, t.whole()
	}
	c := t.counters()
	if !spent || before.Seq != 1 || before.Note == nil || c.Refreshes != 1 || c.Reuses != 1 {
		return lost, fmt.Errorf("the login is lost: record %+v, server %+v, %v", before, c, r)
	}
	return cutOff, t.reportedLost(r, before.Note.PID)
}

// pointVerdict tells which fault points no scenario came by.
func (k *killing) pointVerdict(how string) verdict {
	var missing []string
	for _, name := range pointNames() {
		if k.passed[name] == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		fmt.Printf("  FAULT: never passed: %s\n", strings.Join(missing, ", "))
	}
	return verdict{What: fmt.Sprintf("%s at points: of %d fault points, not passed", how, len(pointNames())), Got: float64(len(missing))}
}

// newKilling makes the login that is to be killed, with a server that takes its
// time before and after it spends the token.
func (k *killing) newKilling() (t *trial, err error) {
	if len(k.sources) > 0 {
		return k.sources[0]()
	}
	if k.e == nil {
		t, err = k.b.newExpired(sandbox.Config{})
	} else {
		t, err = k.b.newExpiredIn(k.e, sandbox.Config{})
	}
	if err != nil {
		return nil, err
	}
	return t, t.Fault("latency=10ms@refresh", "latency-after=10ms@refresh")
}
