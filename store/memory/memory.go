// Package memory keeps records in memory: for tests, and for programs that are
// given a credential at the start and keep it to themselves.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"codexauth"
	"codexauth/internal/wait"
)

// Store is a [codexauth.Store] that lives as long as its value. Make one with [New].
type Store struct {
	mu      sync.Mutex
	records map[string][]byte
	turns   map[string]chan struct{} // one place each: full while the key is claimed
}

var _ codexauth.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{records: map[string][]byte{}, turns: map[string]chan struct{}{}}
}

// String returns "memory:".
func (s *Store) String() string { return "memory:" }

// Load returns a copy of the record of key.
func (s *Store) Load(_ context.Context, key string) ([]byte, error) {
	record := s.get(key)
	if record == nil {
		return nil, fmt.Errorf("load %q: %w", key, codexauth.ErrNotFound)
	}
	return record, nil
}

// List returns the keys that have a record.
func (s *Store) List(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]string, 0, len(s.records))
	for key := range s.records {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, nil
}

// Claim waits for the exclusive right to change key among this Store's users.
func (s *Store) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	if key == "" {
		return nil, errors.New("claim: the key is empty")
	}
	if wait.GivenUp(ctx) != nil {
		return nil, fmt.Errorf("claim %q: %w", key, ctx.Err())
	}
	turn := s.turn(key)
	select {
	case turn <- struct{}{}: // also with a deadline that has passed
		return &claim{store: s, key: key, turn: turn, last: s.get(key)}, nil
	default:
	}
	select {
	case turn <- struct{}{}:
		return &claim{store: s, key: key, turn: turn, last: s.get(key)}, nil
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("claim %q: %w: held by this process", key, codexauth.ErrBusy)
	}
	return nil, fmt.Errorf("claim %q: %w", key, ctx.Err())
}

func (s *Store) turn(key string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns[key] == nil {
		s.turns[key] = make(chan struct{}, 1)
	}
	return s.turns[key]
}

// Put replaces the record of key without a claim, or removes it if record is
// nil: to seed a store, or to play somebody who changes it behind a claim's back.
func (s *Store) Put(key string, record []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, record)
}

func (s *Store) put(key string, record []byte) {
	if record == nil {
		delete(s.records, key)
		return
	}
	s.records[key] = bytes.Clone(record)
}

// get returns a copy of the record; nil if there is none.
func (s *Store) get(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.records[key])
}

// claim is a [codexauth.Claim]: the place in a turn.
type claim struct {
	store *Store
	key   string
	turn  chan struct{} // nil once it is released
	last  []byte        // what was last read or committed; nil: no record
}

// Record returns what this claim last read or committed.
func (c *claim) Record() []byte { return c.last }

// Reload reads the record again.
func (c *claim) Reload(context.Context) ([]byte, error) {
	if c.turn == nil {
		return nil, c.released("reload")
	}
	c.last = c.store.get(c.key)
	return c.last, nil
}

// Commit replaces the record.
func (c *claim) Commit(_ context.Context, record []byte) error {
	return c.replace("commit", append([]byte{}, record...)) // not nil, even if it is empty
}

// Delete removes the record.
func (c *claim) Delete(context.Context) error { return c.replace("delete", nil) }

func (c *claim) replace(op string, record []byte) error {
	if c.turn == nil {
		return c.released(op)
	}
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if now := c.store.records[c.key]; !bytes.Equal(now, c.last) || (now == nil) != (c.last == nil) {
		return fmt.Errorf("%s %q: %w", op, c.key, codexauth.ErrLost)
	}
	c.store.put(c.key, record)
	c.last = record
	return nil
}

// Release frees the place.
func (c *claim) Release() error {
	if c.turn != nil {
		<-c.turn
		c.turn = nil
	}
	return nil
}

func (c *claim) released(op string) error {
	return fmt.Errorf("%s %q: the claim was released", op, c.key)
}

// OneMachine is true: the store is this process's own.
func (s *Store) OneMachine() bool { return true }
