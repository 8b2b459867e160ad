package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/wait"
)

// longestWait is when a waiter asks again: a server that stopped answering is
// noticed even by one who would wait for ever.
const longestWait = time.Minute

// showTimeout bounds the wait for those who are just looking whether a claim has
// ended; each of them takes a moment.
const showTimeout = time.Second

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

	// For the wait's own transaction alone; $1 is in milliseconds.
	lockTimeoutSQL = `SELECT set_config('lock_timeout', $1::text, true)`
	waitSQL        = `SELECT pg_advisory_lock(` + lockID + `)`

	// heldSQL asks whether this session has the lock, as the server sees it.
	heldSQL = `SELECT EXISTS (SELECT FROM ` + locksSQL + ` AND l.pid = pg_backend_pid())`

	holderSQL = `SELECT l.pid::text, coalesce(a.application_name, ''), coalesce(host(a.client_addr), '')
		FROM (SELECT pid FROM ` + locksSQL + `) l LEFT JOIN pg_stat_activity a ON a.pid = l.pid`

	unlockSQL = `SELECT pg_advisory_unlock_all()`
)

// tryLock prepares the session and takes the lock if it is free.
func tryLock(ctx context.Context, conn *session, lock lockNumber) (granted bool, err error) {
	pid := number(int64(int32(conn.PID())))
	err = run(ctx, conn,
		statement{sql: prepareSQL, args: []arg{text(applicationName()), pid}},
		statement{sql: tryLockSQL, args: []arg{lock.arg(), pid}, row: func(values [][]byte) error {
			if values[0] == nil {
				return errPooler
			}
			granted = isTrue(values[0])
			return nil
		}})
	return granted, err
}

// waitForLock queues up for the lock at the server, which passes it on in the
// order of arrival and the moment it is free. The server keeps the deadline, too:
// only it knows whether the lock was granted before. Cancelling closes the
// connection, and a lock that was just granted ends with it.
func waitForLock(ctx context.Context, conn *session, lock lockNumber) error {
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

func waitOnce(ctx context.Context, conn *session, lock lockNumber, limit time.Duration) error {
	ctx, cancel := wait.Lasting(ctx, limit+attemptTimeout)
	defer cancel()
	return run(ctx, conn, lockTimeout(limit), statement{sql: waitSQL, args: []arg{lock.arg()}})
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

// busy is the error of a claim that somebody else holds.
func busy(ctx context.Context, conn *session, lock lockNumber) error {
	return fmt.Errorf("%w: held by %s", codexauth.ErrBusy, holder(ctx, conn, lock))
}

// holder describes who has the lock, as far as this role may see it.
func holder(ctx context.Context, conn *session, lock lockNumber) string {
	ctx, cancel := wait.Lasting(ctx, 2*time.Second)
	defer cancel()
	var pid, name, address string
	err := run(ctx, conn, statement{sql: holderSQL, args: []arg{lock.arg()}, row: func(values [][]byte) error {
		pid, name, address = string(values[0]), string(values[1]), string(values[2])
		return nil
	}})
	if err != nil || pid == "" {
		return "a session that is not visible or has just released it"
	}
	var who strings.Builder
	if name != "" {
		fmt.Fprintf(&who, "%q ", name)
	}
	if address != "" {
		fmt.Fprintf(&who, "at %s ", address)
	}
	fmt.Fprintf(&who, "(PostgreSQL session %s)", pid)
	return who.String()
}

// readLocked makes sure that the lock is this session's own, shows those who
// await its end that it is held, and reads the record. It is a statement of its
// own, later than the lock's: its snapshot must show what the holder before
// committed.
func readLocked(ctx context.Context, conn *session, key string) (r row, err error) {
	held := false
	reading := append([]statement{{sql: heldSQL, args: []arg{claimLock(key).arg()}, row: func(values [][]byte) error {
		if held = isTrue(values[0]); !held {
			return errNoLock
		}
		return nil
	}}}, r.statements(key)...)
	showing := []statement{lockTimeout(showTimeout), {sql: waitSQL, args: []arg{awaitLock(key).arg()}}}
	err = run(ctx, conn, append(showing, reading...)...)
	if isLockTimeout(err) { // then those who wait ask more often
		err = run(ctx, conn, reading...)
	}
	return r, err
}

// unlock gives all locks of the session back.
func unlock(conn *session) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := run(ctx, conn, statement{sql: unlockSQL})
	if err == nil || conn.IsClosed() && !isTimeout(err) {
		return nil // that of a broken connection the server gives back by itself
	}
	hangUp(conn)
	return fmt.Errorf("the server did not confirm it, and lets go when it notices that the connection is closed: %w", err)
}

// lockNumber is the key's part in the number of a lock.
type lockNumber int64

func (n lockNumber) arg() arg { return number(int64(n)) }

// claimLock is what a claim is. Two keys with the same would only wait for each
// other.
func claimLock(key string) lockNumber { return hashed("codexauth " + key) }

// awaitLock is held beside the claim's lock, for others to wait for in shared
// mode: all of them at once, where the claim's own lock lets in one at a time.
func awaitLock(key string) lockNumber { return hashed("codexauth await " + key) }

func hashed(s string) lockNumber {
	sum := sha256.Sum256([]byte(s))
	return lockNumber(binary.BigEndian.Uint64(sum[:8]))
}

// lockTimeout limits the waits for a lock in the transaction that it begins.
func lockTimeout(limit time.Duration) statement {
	return statement{sql: lockTimeoutSQL, args: []arg{number(limit.Milliseconds())}}
}
