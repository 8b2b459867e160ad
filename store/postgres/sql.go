package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
	createTurnSQL = `SELECT pg_advisory_xact_lock(7233173838392094835)`

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
func read(ctx context.Context, conn *pgx.Conn, key string) (row, error) {
	var r row
	err := ask(ctx, conn, func(batch *pgx.Batch) {
		batch.Queue(readSQL, []byte(key)).QueryRow(func(found pgx.Row) error {
			return found.Scan(&r.version, &r.record)
		})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return row{}, nil
	}
	return r, err
}

// list returns the keys in the order of their bytes.
func list(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	var keys []string
	err := ask(ctx, conn, func(batch *pgx.Batch) {
		batch.Queue(listSQL).Query(func(found pgx.Rows) error {
			raw, err := pgx.CollectRows(found, pgx.RowTo[[]byte])
			for _, key := range raw {
				keys = append(keys, string(key))
			}
			return err
		})
	})
	return keys, err
}

// ask sends a query in one round trip with a look at where it goes to: the
// primary, and tables that this package can use and that are not open to everybody.
func ask(ctx context.Context, conn *pgx.Conn, query func(*pgx.Batch)) error {
	var batch pgx.Batch
	batch.Queue(stateSQL).QueryRow(checkState)
	query(&batch)
	return conn.SendBatch(ctx, &batch).Close()
}

func checkState(found pgx.Row) error {
	var standby, public bool
	var version int
	err := found.Scan(&standby, &version, &public)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errors.New("codexauth_meta is empty: it does not say which version of the tables this is; run the SQL of the setup again")
	case err != nil:
		return err
	case standby:
		return errStandby
	case version != tablesVersion:
		return fmt.Errorf("the tables have version %d and this program knows version %d: use the version of this program that made them", version, tablesVersion)
	case public:
		return fmt.Errorf("%w: every role of the database may read or change codexauth_records; REVOKE ALL ON codexauth_records FROM PUBLIC", codexauth.ErrStoreUnsafe)
	}
	return nil
}

// swap puts next in the place of last if that is what is stored (a zero row is no
// record), in one transaction. It returns the version that is stored in the end
// and whether this very call changed it.
func swap(ctx context.Context, conn *pgx.Conn, key string, last, next row) (stored string, changed bool, err error) {
	var batch pgx.Batch
	batch.Queue(durableSQL)
	var change *pgx.QueuedQuery
	switch id := []byte(key); {
	case last.record == nil && next.record == nil:
		change = batch.Queue(`SELECT WHERE false`)
	case last.record == nil:
		change = batch.Queue(insertSQL, id, next.version, next.record)
	case next.record == nil:
		change = batch.Queue(deleteSQL, id, last.version)
	default:
		change = batch.Queue(updateSQL, id, next.version, next.record, last.version)
	}
	change.Exec(func(done pgconn.CommandTag) error { changed = done.RowsAffected() == 1; return nil })
	batch.Queue(versionSQL, []byte(key)).QueryRow(func(found pgx.Row) error {
		err := found.Scan(&stored)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	err = conn.SendBatch(ctx, &batch).Close()
	return stored, changed, err
}

// createTables makes the tables if they are missing and this role may.
func createTables(ctx context.Context, conn *pgx.Conn) error {
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, createTurnSQL); err != nil {
			return err
		}
		return tx.Conn().PgConn().Exec(ctx, Tables).Close()
	})
	if err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	return nil
}
