package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"codexauth"
)

// longestWait is when a waiter asks anew: a server that stopped answering is
// noticed even by one who would wait for ever.
const longestWait = time.Minute

const (
	// lockID is the number of the advisory lock: 64 bits of the key's hash, and
	// the table's object id, since several stores may share a database.
	lockID = `($1::bigint # ('codexauth_records'::regclass::oid::bigint << 32))`

	// locksSQL are the granted advisory locks of that number.
	locksSQL = `pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND ((l.classid::bigint << 32) | l.objid::bigint) = ` + lockID

	// prepareSQL makes this session fit to hold a claim: no time-out may end it
	// in mid-request, and a client that vanished is noticed within a minute (on a
	// Unix socket these settings do nothing). A server that lacks one of them is
	// older than the danger. $2 is the process that took this connection, by the
	// protocol's start-up: if another executes the statement, a pooler shares its
	// sessions out, and nothing of them is changed.
	prepareSQL = `SELECT count(set_config(s.name, w.value, false))
		FROM pg_settings s JOIN (VALUES
			('application_name', $1::text),
			('statement_timeout', '0'), ('lock_timeout', '0'), ('transaction_timeout', '0'),
			('idle_session_timeout', '0'), ('idle_in_transaction_session_timeout', '0'),
			('default_transaction_isolation', 'read committed'),
			('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '4'),
			('tcp_user_timeout', '30000')
		) AS w (name, value) ON w.name = s.name
		WHERE pg_backend_pid() = $2::integer`

	tryLockSQL = `SELECT CASE WHEN pg_backend_pid() = $2::integer THEN pg_try_advisory_lock(` + lockID + `) END`

	// For the wait's own transaction alone.
	lockTimeoutSQL = `SELECT set_config('lock_timeout', $1::text, true)`
	waitSQL        = `SELECT pg_advisory_lock(` + lockID + `)`

	// heldSQL asks whether this session has the lock, as the server sees it.
	heldSQL = `SELECT EXISTS (SELECT FROM ` + locksSQL + ` AND l.pid = pg_backend_pid())`

	holderSQL = `SELECT l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), '')
		FROM (SELECT pid FROM ` + locksSQL + `) l LEFT JOIN pg_stat_activity a ON a.pid = l.pid`

	unlockSQL = `SELECT pg_advisory_unlock_all()`
)

// tryLock prepares the session and takes the lock if it is free.
func tryLock(ctx context.Context, conn *pgx.Conn, lock int64) (granted bool, err error) {
	var batch pgx.Batch
	pid := int64(int32(conn.PgConn().PID()))
	batch.Queue(prepareSQL, applicationName(), pid)
	batch.Queue(tryLockSQL, lock, pid).QueryRow(func(found pgx.Row) error {
		var answer *bool
		if err := found.Scan(&answer); err != nil {
			return err
		}
		if answer == nil {
			return errPooler
		}
		granted = *answer
		return nil
	})
	err = conn.SendBatch(ctx, &batch).Close()
	return granted, err
}

// waitForLock queues up for the lock at the server, which passes it on in the
// order of arrival and the moment it is free. The server keeps the deadline, too:
// only it knows whether the lock was granted before. Cancelling closes the
// connection, and a lock that was just granted ends with it.
func waitForLock(ctx context.Context, conn *pgx.Conn, lock int64) error {
	for {
		limit := waitLimit(ctx)
		err := waitOnce(ctx, conn, lock, limit)
		if !isLockTimeout(err) {
			return err
		}
		if ctx.Err() != nil {
			return busy(ctx, conn, lock)
		}
	}
}

func waitOnce(ctx context.Context, conn *pgx.Conn, lock int64, limit time.Duration) error {
	ctx, cancel := lasting(ctx, limit+attemptTimeout)
	defer cancel()
	var batch pgx.Batch
	batch.Queue(lockTimeoutSQL, fmt.Sprint(limit.Milliseconds()))
	batch.Queue(waitSQL, lock)
	return conn.SendBatch(ctx, &batch).Close()
}

// waitLimit is the time until ctx's deadline in whole milliseconds, at least one:
// none would mean for ever.
func waitLimit(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return longestWait
	}
	left := time.Until(deadline) + time.Millisecond
	return min(max(left.Truncate(time.Millisecond), time.Millisecond), longestWait)
}

// lasting returns a context that lasts for d, whatever ctx's deadline is, but
// ends at once when ctx is cancelled.
func lasting(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return longer, func() { stop(); cancel() }
}

// busy is the error of a claim that somebody else holds.
func busy(ctx context.Context, conn *pgx.Conn, lock int64) error {
	return fmt.Errorf("%w: held by %s", codexauth.ErrBusy, holder(ctx, conn, lock))
}

// holder describes who has the lock, as far as this role may see it.
func holder(ctx context.Context, conn *pgx.Conn, lock int64) string {
	ctx, cancel := lasting(ctx, 2*time.Second)
	defer cancel()
	var pid int
	var name, address string
	if err := conn.QueryRow(ctx, holderSQL, lock).Scan(&pid, &name, &address); err != nil {
		return "a session that is not visible, or that has just let go"
	}
	var who strings.Builder
	if name != "" {
		fmt.Fprintf(&who, "%q ", name)
	}
	if address != "" {
		fmt.Fprintf(&who, "at %s ", address)
	}
	fmt.Fprintf(&who, "(PostgreSQL session %d)", pid)
	return who.String()
}

// readLocked makes sure that the lock is this session's own, and reads the
// record. It is a statement of its own, later than the lock's: its snapshot must
// show what the holder before committed.
func readLocked(ctx context.Context, conn *pgx.Conn, key string, lock int64) (row, error) {
	var held bool
	if err := conn.QueryRow(ctx, heldSQL, lock).Scan(&held); err != nil {
		return row{}, err
	}
	if !held {
		return row{}, errNoLock
	}
	return read(ctx, conn, key)
}

// unlock gives the lock back and closes the connection. That of a broken
// connection the server gives back by itself.
func unlock(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	defer conn.Close(ctx)
	_, err := conn.Exec(ctx, unlockSQL)
	if err == nil || conn.IsClosed() && !isTimeout(err) {
		return nil
	}
	return fmt.Errorf("the server did not confirm it, and lets go when it notices that the connection is closed: %w", err)
}
