package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"codexauth/internal/rig"
)

// suspended are the proofs of a machine that sleeps: the wall clock and
// CLOCK_BOOTTIME go on, the monotonic clock and with it every timer stand. A real
// suspend stops the processes, too; where that matters they are stopped.
func suspended() []proof {
	return []proof{
		{name: "suspended between note and request", play: asleep(asleepAt(moment{"note-saved", 1}, time.Hour, 1, 2))},
		{name: "suspended between request and answer", play: asleep(asleepAt(moment{"request-written", 1}, 10*time.Minute, 1, 1))},
		{name: "suspended until the answer's token has ended", play: asleep(asleepAt(moment{"request-written", 1}, 2*time.Hour, 2, 2))},
		{name: "suspended while it waits out another machine", play: asleep(asleepWaiting)},
		{name: "suspended while many wait for one that refreshes", play: asleep(asleepTogether)},
		{name: "suspended with a token at hand", play: asleep(asleepHolding)},
		{name: "suspended, and nobody asks", play: asleep(asleepIdle)},
		{name: "the wall clock jumps ahead and back", play: asleep(jumping)},
	}
}

func (t *trial) clockPath() string { return filepath.Join(t.Dir, "clock") }

// asleep gives the trial clocks that can be moved.
func asleep(play func(*trial) error) func(*trial) error {
	return func(t *trial) error {
		t.Env = append(t.Env, rig.ClockVariable+"="+t.clockPath())
		if err := os.WriteFile(t.clockPath(), make([]byte, 16), 0o600); err != nil {
			return err
		}
		return play(t)
	}
}

func (t *trial) setClock(wall, slept time.Duration) error {
	words := binary.NativeEndian.AppendUint64(nil, uint64(int64(wall/time.Second)))
	words = binary.NativeEndian.AppendUint64(words, uint64(int64(slept/time.Second)))
	f, err := os.OpenFile(t.clockPath(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(words, 0)
	return errors.Join(err, f.Close())
}

// sleep suspends this trial's machine; the server's clock goes on with it.
func (t *trial) sleep(d time.Duration) error {
	t.Server.SetClockOffset(d)
	return t.setClock(0, d)
}

// awake checks that a process of the machine that slept gets a token that works.
func (t *trial) awake(requests int) error {
	_, err := t.honoured(t.RunProgram("shifted", nil, "token", "--json"))
	if c := t.Server.Counters(); c.RefreshRequests != requests || c.Reuses+c.DeadFamily > 0 {
		err = errors.Join(err, fmt.Errorf("want %d requests with a refresh token and no reuse, got %+v", requests, c))
	}
	return err
}

// asleepAt has the process that refreshes sleep at m.
func asleepAt(m moment, d time.Duration, requests, notes int) func(*trial) error {
	return func(t *trial) error {
		r, child, err := t.standingAs("shifted", m)
		if err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond) // the server answers
		if err := errors.Join(t.sleep(d), syscall.Kill(child, syscall.SIGCONT)); err != nil {
			return err
		}
		_, err = t.honoured(r.End())
		n := 0
		for _, p := range t.passages() {
			if p.point == "note-saved" {
				n++
			}
		}
		if n != notes {
			err = errors.Join(err, fmt.Errorf("want %d notes, got %d", notes, n))
		}
		return errors.Join(err, t.awake(requests))
	}
}

// asleepWaiting: a process of another machine may still have a request on its
// way. The time that this machine sleeps counts: nothing sent before it can still
// arrive.
func asleepWaiting(t *trial) error {
	if err := t.foreignNote(); err != nil {
		return err
	}
	r, err := t.Start("shifted", nil, "token", "--json")
	if err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	if !r.Runs() {
		return fmt.Errorf("it did not wait for the other machine: %v", r.End())
	}
	if err := errors.Join(t.requests(0), t.sleep(10*time.Minute)); err != nil {
		return err
	}
	end := r.End()
	_, err = t.honoured(end)
	if end.Wall > 15*time.Second {
		err = errors.Join(err, fmt.Errorf("it waited for %v", end.Wall))
	}
	return errors.Join(err, t.awake(1))
}

// foreignNote writes the note of a refresh by another machine into the record.
func (t *trial) foreignNote() error {
	data, err := os.ReadFile(t.recordPath())
	if err != nil {
		return err
	}
	_, body, _ := bytes.Cut(data, []byte("\n"))
	var rec map[string]any
	if err := json.Unmarshal(body, &rec); err != nil {
		return err
	}
	credential, _ := rec["credential"].(map[string]any)
	token, _ := credential["refresh_token"].(string)
	sum := sha256.Sum256([]byte(token))
	rec["note"] = map[string]any{
		"id": "elsewhere", "token": base64.RawURLEncoding.EncodeToString(sum[:]),
		"since": time.Now().UTC(), "host": "elsewhere", "machine": "another boot", "pid": 4711, "started": "1",
	}
	if body, err = json.Marshal(rec); err != nil {
		return err
	}
	head := fmt.Sprintf("codexauth-record v1 json %d %x\n", len(body), sha256.Sum256(body))
	return os.WriteFile(t.recordPath(), append([]byte(head), body...), 0o600)
}

// asleepTogether: all of the machine's processes sleep, one of them with its
// request at the server.
func asleepTogether(t *trial) error {
	r, child, err := t.standingAs("shifted", moment{"request-written", 1})
	if err != nil {
		return err
	}
	others, err := t.othersOf("shifted", 4)
	if err != nil {
		return err
	}
	time.Sleep(time.Second)
	err = errors.Join(stillWaiting(others), t.sleep(10*time.Minute), syscall.Kill(child, syscall.SIGCONT))
	_, err2 := t.honoured(r.End())
	return errors.Join(err, err2, t.served(others), t.awake(1))
}

// asleepHolding: a program that asks all the time never gets a token that ended
// while the machine slept.
func asleepHolding(t *trial) error {
	r, err := t.Start("shiftclient", nil, "-store", t.Address, "-issuer", t.Issuer, "-goroutines", "8", "-for", "4s", "-strict")
	if err != nil {
		return err
	}
	if err := t.untilAsked(1); err != nil {
		return err
	}
	time.Sleep(time.Second)
	err = t.sleep(2 * time.Hour)
	return errors.Join(err, r.End().Want(0), t.awake(2))
}

// asleepIdle: a program that nobody asks refreshes within a minute of the wake,
// though its timer was set for much later.
func asleepIdle(t *trial) error {
	r, err := t.Start("shiftclient", nil, "-store", t.Address, "-issuer", t.Issuer, "-for", "75s", "-idle", "-strict")
	if err != nil {
		return err
	}
	if err := t.untilAsked(1); err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := t.sleep(2 * time.Hour); err != nil {
		return err
	}
	woken := time.Now()
	err = rig.Until("a refresh after the wake", func() bool { return t.Server.Counters().RefreshRequests == 2 || !r.Runs() })
	if waited := time.Since(woken); err == nil && (waited > 65*time.Second || !r.Runs()) {
		err = fmt.Errorf("it refreshed %v after the wake", waited)
	}
	return errors.Join(err, r.End().Want(0), t.awake(2))
}

// jumping: the wall clock is set ahead and back while a program runs. It learns
// from the server's Date, twice, and goes on.
func jumping(t *trial) error {
	r, err := t.Start("shiftclient", nil, "-store", t.Address, "-issuer", t.Issuer, "-goroutines", "8", "-for", "6s")
	if err != nil {
		return err
	}
	err = t.untilAsked(1)
	for _, wall := range []time.Duration{90 * time.Minute, 0} {
		time.Sleep(1500 * time.Millisecond)
		err = errors.Join(err, t.setClock(wall, 0))
	}
	end := r.End()
	err = errors.Join(err, end.Want(0))
	for token := range strings.Lines(end.Out) {
		rec := bearer{AccessToken: strings.TrimSpace(token)}
		if status, askErr := t.ask(rec); askErr != nil || status == 401 && t.Server.Counters().Reuses > 0 {
			err = errors.Join(err, fmt.Errorf("a token that the backend answers with %d, %w", status, askErr))
		}
	}
	if c := t.Server.Counters(); c.RefreshRequests < 2 || c.RefreshRequests > 4 {
		err = errors.Join(err, fmt.Errorf("%d refreshes for two steps of the clock", c.RefreshRequests))
	}
	return errors.Join(err, t.lives())
}
