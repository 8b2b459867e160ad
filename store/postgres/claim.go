package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"codexauth"
	"codexauth/internal/storekey"
	"codexauth/internal/wait"
)

// attemptTimeout is the least time that a Claim has for its own round trips,
// however short its deadline: a connection takes its time on a busy server.
const attemptTimeout = 5 * time.Second

// claim is a [codexauth.Claim]: an advisory lock of a session of its own.
type claim struct {
	store *Store
	key   string
	leave func()   // ends this Store's turn; nil once the claim is released
	conn  *session // has the lock; nil once it broke
	last  row      // what was last read or committed
}

// Claim waits for the exclusive right to change key. The first one creates the
// tables if they are missing.
func (s *Store) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.claim(ctx, key)
	if err == nil {
		return c, nil
	}
	late := ctx.Err() != nil && isTimeout(err)
	if err = explain(err); late {
		err = &told{"the server did not answer before the deadline: " + err.Error(), errors.Join(codexauth.ErrBusy, err)}
	}
	return nil, fmt.Errorf("claim %q in %s: %w", key, s, cmp.Or(wait.GivenUp(ctx), err))
}

func (s *Store) claim(ctx context.Context, key string) (*claim, error) {
	if err := cmp.Or(storekey.Check(key, maxKey), wait.GivenUp(ctx)); err != nil {
		return nil, err
	}
	lock := claimLock(key)
	leave, err := s.takeTurn(ctx, key, lock)
	if err != nil {
		return nil, err
	}
	c := &claim{store: s, key: key, leave: leave}
	if c.conn, err = s.lock(ctx, lock); err == nil {
		reading, cancel := wait.Lasting(ctx, answerTimeout)
		defer cancel()
		c.last, err = readLocked(reading, c.conn, key)
	}
	if err != nil {
		if c.conn != nil {
			discard(c.conn)
		}
		leave()
		return nil, err
	}
	return c, nil
}

// takeTurn makes the goroutines of this Store queue up here, so that those who
// wait take one connection and not one each.
func (s *Store) takeTurn(ctx context.Context, key string, lock lockNumber) (leave func(), err error) {
	leave, err = s.turns.Take(ctx, key)
	if err == nil || errors.Is(err, context.Canceled) {
		return leave, err
	}
	asking, cancel := wait.Lasting(ctx, 2*time.Second)
	defer cancel()
	err = fmt.Errorf("%w: this process is waiting for it already", codexauth.ErrBusy)
	_ = s.withConn(asking, func(conn *session) error { // who it is, if that can be learned
		err = busy(asking, conn, lock)
		return nil
	})
	return nil, err
}

// lock returns a connection that has the lock and is no longer the pool's.
func (s *Store) lock(ctx context.Context, lock lockNumber) (*session, error) {
	conn, granted, err := s.dedicate(ctx, lock)
	if err != nil || granted {
		return conn, err
	}
	if ctx.Err() != nil {
		err = busy(ctx, conn, lock)
		s.pool.bringBack(conn) // it has nothing, and waits for nothing
		return nil, err
	}
	if err = waitForLock(ctx, conn, lock); err != nil {
		discard(conn)
		return nil, err
	}
	return conn, nil
}

// dedicate takes a connection out of the pool, creates the tables if they are
// missing, and tries the lock.
func (s *Store) dedicate(ctx context.Context, lock lockNumber) (conn *session, granted bool, err error) {
	limit := answerTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(deadline), attemptTimeout))
	}
	ctx, cancel := wait.Lasting(ctx, limit)
	defer cancel()
	conn, err = s.takeOut(ctx, func(conn *session) error {
		granted, err = tryLock(ctx, conn, lock)
		if isMissingTable(err) {
			if err = createTables(ctx, conn); err == nil {
				granted, err = tryLock(ctx, conn, lock)
			}
		}
		return err
	})
	return conn, granted, err
}

// discard closes a connection that may still wait for the lock, or have it, and
// gives the server a moment to notice: whoever asks next should find it free.
func discard(conn *session) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if !conn.IsClosed() {
		_ = unlock(conn)
		hangUp(conn)
	}
	select {
	case <-conn.CleanupDone():
	case <-ctx.Done():
	}
}

// Record returns what this claim last read or committed.
func (c *claim) Record() []byte { return c.last.record }

// Reload reads the record again, on another connection if its own has broken.
func (c *claim) Reload(ctx context.Context) ([]byte, error) {
	var r row
	err := c.do(ctx, func(ctx context.Context, conn *session) (err error) {
		r, err = read(ctx, conn, c.key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reload %q from %s: %w", c.key, c.store, explain(err))
	}
	c.last = r
	return r.record, nil
}

// Commit replaces the record. If its connection breaks it tries once more on
// another: the new version is its own, so it can tell whether the first attempt
// landed.
func (c *claim) Commit(ctx context.Context, record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("commit %q: a record of %d bytes is larger than %d", c.key, len(record), maxRecord)
	}
	next := row{version: rand.Text(), record: append([]byte{}, record...)} // not nil, even if it is empty
	if err := c.replace(ctx, next); err != nil {
		return fmt.Errorf("commit %q to %s: %w", c.key, c.store, explain(err))
	}
	return nil
}

// Delete removes the record.
func (c *claim) Delete(ctx context.Context) error {
	if err := c.replace(ctx, row{}); err != nil {
		return fmt.Errorf("delete %q from %s: %w", c.key, c.store, explain(err))
	}
	return nil
}

func (c *claim) replace(ctx context.Context, next row) error {
	attempts, stored, changed := 0, "", false
	err := c.do(ctx, func(ctx context.Context, conn *session) (err error) {
		attempts++
		stored, changed, err = swap(ctx, conn, c.key, c.last, next)
		return err
	})
	if err != nil {
		return err
	}
	// A record that is gone may have been deleted by the attempt before.
	deleted := next.record == nil && (changed || c.last.record == nil || attempts > 1)
	if stored != next.version || next.record == nil && !deleted {
		return codexauth.ErrLost
	}
	c.last = next
	return nil
}

// do calls f with the connection that has the lock or, if that has broken, with
// one of the pool: what f does compares the record and can be repeated.
func (c *claim) do(ctx context.Context, f func(context.Context, *session) error) error {
	if c.leave == nil {
		return errors.New("the claim was released")
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if c.conn != nil {
		err := f(ctx, c.conn)
		if err == nil || !c.conn.IsClosed() {
			return err
		}
		c.conn = nil
		if ctx.Err() != nil {
			return err
		}
	}
	return c.store.withConn(ctx, func(conn *session) error { return f(ctx, conn) })
}

// Release gives the lock back, and the turn to the next of this Store.
func (c *claim) Release() error {
	if c.leave == nil {
		return nil
	}
	defer func() { c.leave(); c.leave = nil }()
	if c.conn == nil || c.conn.IsClosed() {
		return nil
	}
	err := unlock(c.conn)
	c.store.pool.bringBack(c.conn)
	if err != nil {
		return fmt.Errorf("release %q in %s: %w", c.key, c.store, explain(err))
	}
	return nil
}
