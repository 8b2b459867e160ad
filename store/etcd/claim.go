package etcd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth"
	"codexauth/internal/reword"
	"codexauth/internal/storekey"
	"codexauth/internal/wait"
	"codexauth/store/etcd/internal/gateway"
)

// releaseTimeout bounds a Release; if it fails, the lease ends by itself.
const releaseTimeout = 5 * time.Second

// claim is a [codexauth.Claim]: the first place in a queue, by a lease. Only who
// may begin depends on the lease. What is committed is compared with the record
// alone, and needs no lease.
type claim struct {
	store *Store
	key   string
	leave func() // ends this Store's turn; nil once the claim is released
	lease *lease
	last  entry // what was last read or committed
}

// Claim waits for the exclusive right to change key. Those who wait are served in
// the order of their arrival.
func (s *Store) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.claim(ctx, key)
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, codexauth.ErrBusy) {
		late := ctx.Err() != nil && gateway.IsTimeout(err)
		if err = explain(err); late {
			err = reword.As("etcd did not answer before the deadline: "+err.Error(), errors.Join(codexauth.ErrBusy, err))
		}
	}
	return nil, fmt.Errorf("claim %q in %s: %w", key, s, cmp.Or(wait.GivenUp(ctx), err))
}

func (s *Store) claim(ctx context.Context, key string) (*claim, error) {
	if err := cmp.Or(storekey.Check(key, maxKey), wait.GivenUp(ctx)); err != nil {
		return nil, err
	}
	leave, err := s.takeTurn(ctx, key)
	if err != nil {
		return nil, err
	}
	l, e, err := s.lock(ctx, key)
	if err != nil {
		leave()
		return nil, err
	}
	return &claim{store: s, key: key, leave: leave, lease: l, last: e}, nil
}

// takeTurn makes the goroutines of this Store line up here, so that those who
// wait take one place in the queue and not one each.
func (s *Store) takeTurn(ctx context.Context, key string) (leave func(), err error) {
	leave, err = s.turns.Take(ctx, key)
	if err != nil {
		err = s.late(ctx, key, nil, nil)
	}
	return leave, err
}

// Record returns what this claim last read or committed.
func (c *claim) Record() []byte { return c.last.record }

var errReleased = errors.New("the claim was released")

// Reload reads the record again.
func (c *claim) Reload(ctx context.Context) ([]byte, error) {
	if c.leave == nil {
		return nil, fmt.Errorf("reload %q: %w", c.key, errReleased)
	}
	e, err := c.store.read(ctx, c.key)
	if err != nil {
		return nil, fmt.Errorf("reload %q from %s: %w", c.key, c.store, explain(err))
	}
	c.last = e
	return e.record, nil
}

// Commit replaces the record.
func (c *claim) Commit(ctx context.Context, record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("commit %q: a record of %d bytes is larger than %d", c.key, len(record), maxRecord)
	}
	if err := c.replace(ctx, append([]byte{}, record...)); err != nil { // not nil, even if it is empty
		return fmt.Errorf("commit %q to %s: %w", c.key, c.store, err)
	}
	return nil
}

// Delete removes the record.
func (c *claim) Delete(ctx context.Context) error {
	if err := c.replace(ctx, nil); err != nil {
		return fmt.Errorf("delete %q from %s: %w", c.key, c.store, err)
	}
	return nil
}

// replace puts record, or nothing if it is nil, in the place of what was last
// seen. Beside the revision the record itself is compared: the revisions of a
// cluster that was restored from a backup come twice.
func (c *claim) replace(ctx context.Context, record []byte) error {
	if c.leave == nil {
		return errReleased
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	id := c.store.recordKey(c.key)
	swap := gateway.Txn{
		Compare: []gateway.Compare{gateway.ChangedAt(id, c.last.revision)},
		Failure: []gateway.Operation{{Range: &gateway.Range{Key: id}}},
	}
	if c.last.record != nil {
		swap.Compare = append(swap.Compare, gateway.ValueIs(id, c.last.record))
	}
	switch {
	case record != nil:
		swap.Success = []gateway.Operation{{Put: &gateway.Put{Key: id, Value: record}}}
	case c.last.record != nil:
		swap.Success = []gateway.Operation{{Delete: &gateway.Delete{Key: id}}}
	}
	var t gateway.TxnAnswer
	repeated, err := c.store.gateway.Call(ctx, "kv/txn", swap, &t)
	if err != nil {
		return explainCommit(err)
	}
	next := entry{record, t.Header.Revision}
	if !t.Succeeded {
		stored := entryOf(t.Found(0))
		landed := (stored.record == nil) == (record == nil) && bytes.Equal(stored.record, record)
		if !repeated || !landed {
			return codexauth.ErrLost
		}
		next = stored // by an attempt whose answer was lost
	}
	if record == nil {
		next = entry{}
	}
	c.last = next
	return nil
}

// Release gives the right back, and the turn to the next of this Store.
func (c *claim) Release() error {
	if c.leave == nil {
		return nil
	}
	defer func() { c.leave(); c.leave = nil }()
	if err := c.lease.end(releaseTimeout); err != nil {
		return fmt.Errorf("release %q in %s, which lets go by itself within %v: %w", c.key, c.store, c.store.ttl, explain(err))
	}
	return nil
}
