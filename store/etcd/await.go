package etcd

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"codexauth"
	"codexauth/internal/storekey"
	"codexauth/internal/wait"
	"codexauth/store/etcd/internal/gateway"
)

var _ codexauth.Watcher = (*Store)(nil)

// Await returns when the record of key is another than old, or nobody holds its
// claim. It takes no place in the queue. A commit reaches it with its record.
func (s *Store) Await(ctx context.Context, key string, old []byte) ([]byte, error) {
	record, err := s.await(ctx, key, old)
	if err != nil {
		return nil, fmt.Errorf("await a change of %q in %s: %w", key, s, explain(err))
	}
	return record, nil
}

func (s *Store) await(ctx context.Context, key string, old []byte) ([]byte, error) {
	if err := storekey.Check(key, maxKey); err != nil {
		return nil, err
	}
	id := s.recordKey(key)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		e, holder, now, err := s.state(ctx, key)
		if err != nil || holder == nil || (e.record == nil) != (old == nil) || !bytes.Equal(e.record, old) {
			return e.record, err
		}
		what, err := s.outlast(ctx, holder, gateway.Watch{Key: id, StartRevision: now + 1}, gateway.DeletionOf(holder.Key, now+1))
		switch {
		case what != nil && err == nil:
			return what.Put(id), nil
		case err == nil:
			pause = 10 * time.Millisecond
		case wait.Sleep(ctx, pause) != nil: // if etcd is away, the next look says so
			return nil, ctx.Err()
		}
	}
}

// state returns a record, and who has its claim, at one revision.
func (s *Store) state(ctx context.Context, key string) (e entry, holder *gateway.KeyValue, now gateway.Number, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var t gateway.TxnAnswer
	_, err = s.gateway.Call(ctx, "kv/txn", gateway.Txn{Success: []gateway.Operation{
		{Range: &gateway.Range{Key: s.recordKey(key)}}, {Range: firstOf(s.queueOf(key))},
	}}, &t)
	return entryOf(t.Found(0)), t.Found(1), t.Header.Revision, err
}
