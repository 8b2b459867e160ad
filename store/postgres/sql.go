package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"codexauth"
)

// Tables is the SQL that makes the tables in the schema that comes first in the
// search_path. A store that may create them does so by itself; it is here for
// the administrators of those that may not. It can be run again.
//
// Keys are bytes, since they need not be text in the database's encoding. Whoever
// changes a record by hand must change its version too.
const Tables = `
CREATE TABLE IF NOT EXISTS codexauth_records (
	key        bytea PRIMARY KEY,
	version    text NOT NULL,
	record     bytea NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS codexauth_meta (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL
);
INSERT INTO codexauth_meta (version) VALUES (1) ON CONFLICT DO NOTHING;
`

// tablesVersion is what codexauth_meta says of tables that this package can use.
const tablesVersion = 1

const (
	// Two processes that create a table at once can fail in spite of IF NOT EXISTS.
	createSQL = `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(7233173838392094835);` + Tables + `COMMIT`

	// The rights of everybody, that is of PUBLIC, on other people's logins.
	stateSQL = `SELECT pg_is_in_recovery(), version,
		has_table_privilege('public', 'codexauth_records'::regclass, 'SELECT, INSERT, UPDATE, DELETE')
		FROM codexauth_meta`
	readSQL    = `SELECT version, record FROM codexauth_records WHERE key = $1::bytea`
	listSQL    = `SELECT key FROM codexauth_records ORDER BY key`
	versionSQL = `SELECT version FROM codexauth_records WHERE key = $1::bytea`

	// A server or role that is set to answer before the record is on disk is
	// overruled for this transaction.
	durableSQL = `SELECT set_config('synchronous_commit', 'on', true)
		WHERE current_setting('synchronous_commit') <> 'remote_apply'`
	insertSQL = `INSERT INTO codexauth_records (key, version, record) VALUES ($1::bytea, $2::text, $3::bytea)
		ON CONFLICT (key) DO NOTHING`
	updateSQL = `UPDATE codexauth_records SET version = $2::text, record = $3::bytea, changed_at = now()
		WHERE key = $1::bytea AND version = $4::text`
	deleteSQL = `DELETE FROM codexauth_records WHERE key = $1::bytea AND version = $2::text`
)

// row is a record with its version; the zero row is none.
type row struct {
	version string
	record  []byte
}

// read returns the row of key.
func read(ctx context.Context, conn *session, key string) (r row, err error) {
	err = run(ctx, conn, r.statements(key)...)
	return r, err
}

// statements read the row of key into r, and look where it comes from.
func (r *row) statements(key string) []statement {
	return append(checkState(), statement{sql: readSQL, args: []arg{keyArg(key)}, row: func(values [][]byte) error {
		*r = row{string(values[0]), bytes.Clone(values[1])}
		return nil
	}})
}

// list returns the keys in the order of their bytes.
func list(ctx context.Context, conn *session) (keys []string, err error) {
	err = run(ctx, conn, append(checkState(), statement{sql: listSQL, row: func(values [][]byte) error {
		keys = append(keys, string(values[0]))
		return nil
	}})...)
	return keys, err
}

// checkState looks where a query goes to: the primary, and tables that this
// package can use and that are not open to everybody.
func checkState() []statement {
	return []statement{{sql: stateSQL, row: func(values [][]byte) error {
		version := int32(binary.BigEndian.Uint32(values[1]))
		switch {
		case isTrue(values[0]):
			return errStandby
		case version != tablesVersion:
			return fmt.Errorf("the tables have version %d and this program knows version %d: use the version of this program that made them", version, tablesVersion)
		case isTrue(values[2]):
			return fmt.Errorf("%w: every role of the database may read or change codexauth_records; REVOKE ALL ON codexauth_records FROM PUBLIC", codexauth.ErrStoreUnsafe)
		}
		return nil
	}, done: func(rows int64) error {
		if rows == 0 {
			return errors.New("codexauth_meta is empty: it does not say which version of the tables this is; run the SQL of the setup again")
		}
		return nil
	}}}
}

// swap puts next in the place of last if that is what is stored (a zero row is no
// record), in one transaction. It returns the version that is stored in the end
// and whether this very call changed it.
func swap(ctx context.Context, conn *session, key string, last, next row) (stored string, changed bool, err error) {
	id, change := keyArg(key), statement{}
	switch {
	case last.record == nil && next.record == nil:
		change.sql = `SELECT WHERE false`
	case last.record == nil:
		change.sql, change.args = insertSQL, []arg{id, text(next.version), bytea(next.record)}
	case next.record == nil:
		change.sql, change.args = deleteSQL, []arg{id, text(last.version)}
	default:
		change.sql, change.args = updateSQL, []arg{id, text(next.version), bytea(next.record), text(last.version)}
	}
	change.done = func(rows int64) error {
		changed = rows == 1
		return nil
	}
	err = run(ctx, conn, statement{sql: durableSQL}, change,
		statement{sql: versionSQL, args: []arg{id}, row: func(values [][]byte) error {
			stored = string(values[0])
			return nil
		}})
	return stored, changed, err
}

// createTables makes the tables if they are missing and this role may.
func createTables(ctx context.Context, conn *session) error {
	err := conn.Exec(ctx, createSQL).Close()
	if err == nil {
		return nil
	}
	if !conn.IsClosed() {
		_ = conn.Exec(ctx, "ROLLBACK").Close() // if it fails, the connection has broken
	}
	return fmt.Errorf("create the tables: %w", err)
}
