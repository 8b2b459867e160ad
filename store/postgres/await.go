package postgres

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"codexauth/internal/storekey"
	"codexauth/internal/wait"
)

// awaitSlice is when one who awaits the end of a claim looks at the record again:
// its holder may have committed, and not get to releasing.
const awaitSlice = 5 * time.Second

const (
	// For the wait's own transaction alone.
	noStatementTimeoutSQL = `SELECT set_config('statement_timeout', '0', true)`
	awaitSQL              = `SELECT pg_advisory_xact_lock_shared(` + lockID + `)`
)

// Await returns when the record is another than old, or nobody holds the claim:
// the server lets all who wait go on at the same moment. It takes one connection
// out of the pool. It returns a record where it read another one.
func (s *Store) Await(ctx context.Context, key string, old []byte) ([]byte, error) {
	record, err := s.await(ctx, key, old)
	if err == nil || isMissingTable(err) { // without tables there are no claims
		return record, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, fmt.Errorf("await %q in %s: %w", key, s, explain(err))
}

func (s *Store) await(ctx context.Context, key string, old []byte) ([]byte, error) {
	if err := storekey.Check(key, maxKey); err != nil {
		return nil, err
	}
	var now row
	look := func(conn *session) (err error) {
		asking, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		now, err = read(asking, conn, key)
		return err
	}
	conn, err := s.takeOut(ctx, look)
	if err != nil {
		return nil, err
	}
	defer s.pool.bringBack(conn)
	for {
		if !bytes.Equal(now.record, old) || (now.record == nil) != (old == nil) {
			return now.record, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := awaitOnce(ctx, conn, key); !isLockTimeout(err) {
			return nil, err
		}
		if err := look(conn); err != nil {
			return nil, err
		}
	}
}

// awaitOnce waits for one slice. Its lock is the transaction's: it is gone before
// the answer is here, so that a process that stands still holds nobody up.
func awaitOnce(ctx context.Context, conn *session, key string) error {
	limit := min(waitLimit(ctx), awaitSlice)
	ctx, cancel := wait.Lasting(ctx, limit+attemptTimeout)
	defer cancel()
	return run(ctx, conn, lockTimeout(limit), statement{sql: noStatementTimeoutSQL},
		statement{sql: awaitSQL, args: []arg{awaitLock(key).arg()}})
}
