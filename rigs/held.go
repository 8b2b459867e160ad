package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"codexauth/sandbox"
)

// held has another program, such as a virus scanner, open the record again and
// again while it is refreshed. On Windows an open file can't be replaced.
func held(b *run) ([]verdict, error) {
	return b.prove("held", 1, []proof{
		{name: "open for 100 ms at a time, during 50 refreshes", play: func(t *trial) error {
			return t.underReaders(1, func() error { return t.refreshes(50) })
		}},
		{name: "open for 100 ms at a time by two at once", full: true, play: func(t *trial) error {
			return t.underReaders(2, func() error { return t.refreshes(50) })
		}},
		{name: "open for 100 ms at a time, while eight want a token", play: func(t *trial) error {
			return t.underReaders(1, func() error {
				_, tokens, faults := together(8, func(int) result { return t.Run("token") })
				if len(tokens) != 1 {
					faults = append(faults, fmt.Errorf("%d different tokens", len(tokens)))
				}
				return errors.Join(append(faults, t.requests(1))...)
			})
		}},
		{name: "signed out and in while it is open", cfg: sandbox.Config{}, play: func(t *trial) error {
			return t.underReaders(1, func() error {
				return errors.Join(t.Run("logout").Want(0), t.renew(), t.livesAfter(1))
			})
		}},
	}), nil
}

// refreshes makes n of them, none of which may fail.
func (t *trial) refreshes(n int) error {
	for i := range n {
		if err := t.Run("refresh").Want(0); err != nil {
			return fmt.Errorf("refresh %d: %w", i+1, err)
		}
	}
	return errors.Join(t.requests(n), t.lives(), t.noRescue())
}

// underReaders does what it is given while so many others open the record.
func (t *trial) underReaders(n int, do func() error) error {
	records, err := filepath.Glob(filepath.Join(t.Home, "record-*"))
	if err != nil || len(records) != 1 {
		return fmt.Errorf("the records are %q, %w", records, err)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range n {
		all.Go(func() { readAgainAndAgain(records[0], stop) })
	}
	defer all.Wait()
	defer close(stop)
	return do()
}

// readAgainAndAgain has a file open for 100 ms each time, as a program does that
// never thought of others.
func readAgainAndAgain(path string, stop chan struct{}) {
	for {
		f, err := os.Open(path)
		select {
		case <-stop:
		case <-time.After(100 * time.Millisecond):
		}
		if err == nil {
			f.Close()
		}
		select {
		case <-stop:
			return
		case <-time.After(rand.N(10 * time.Millisecond)):
		}
	}
}
