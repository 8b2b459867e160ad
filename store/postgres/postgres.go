package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"codexauth"
	"codexauth/internal/storekey"
	"codexauth/internal/wait"
)

const (
	// maxRecord is the largest record in bytes; real ones have some kilobytes.
	maxRecord = 1 << 20
	// maxKey is the longest key in bytes: an index entry must fit a page.
	maxKey = 1024
	// answerTimeout bounds whatever the server should answer at once.
	answerTimeout = 15 * time.Second
)

// Store is a [codexauth.Store] in a PostgreSQL database. Make one with [Open] or
// [New]. Its methods wait for the server for fifteen seconds at the most, apart
// from Claim and Await, which wait for others as long as their context lets them.
//
// The pool's size bounds the connections for reading; each claim that is held or
// waited for takes one more.
type Store struct {
	pool  *pool
	name  string
	turns wait.Turns // one goroutine of this Store at a time
}

var (
	_ codexauth.Store   = (*Store)(nil)
	_ codexauth.Watcher = (*Store)(nil)
)

// Open returns the store that the connection string names: a URL or key=value
// pairs, completed by the PG* variables, the password file and the service file
// as pgx and libpq do. Of pgx's own parameters it keeps pool_max_conns (4, or the
// number of processors if that is greater), pool_max_conn_idle_time (a minute),
// pool_max_conn_lifetime (an hour) and its jitter; those that ask for connections
// in advance or for the simple protocol are refused. It does not connect yet: a
// server that is down or refuses is the error of the first call that needs it. No
// error repeats the connection string, which may hold a password.
func Open(connString string) (*Store, error) {
	cfg, err := parse(connString)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL store: %w", err)
	}
	return newStore(cfg), nil
}

func newStore(cfg *config) *Store {
	connect := func(ctx context.Context) (*pgconn.PgConn, error) { return pgconn.ConnectConfig(ctx, cfg.conn) }
	return &Store{pool: newPool(connect, cfg.pool), name: describe(cfg.conn)}
}

// New returns a store on connections that the program makes itself, for passwords
// that change by the hour or a network of its own. Each must be new, and is the
// store's to close. The name is for people, in errors and as the store's String;
// it must not hold a secret.
func New(name string, connect func(context.Context) (*pgconn.PgConn, error)) *Store {
	return &Store{pool: newPool(connect, defaultRules()), name: name}
}

// Close closes the connections. Claims that are held stay good, but for their
// late save (a broken connection can't be replaced).
func (s *Store) Close() error {
	s.pool.close()
	return nil
}

// String returns "postgres://host/database" without user and password.
func (s *Store) String() string { return s.name }

// Load returns the record of key: a primary key's look-up on the primary.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var r row
	err := storekey.Check(key, maxKey)
	if err == nil {
		err = s.withConn(ctx, func(conn *session) (err error) {
			r, err = read(ctx, conn, key)
			return err
		})
	}
	if err != nil && !isMissingTable(err) {
		return nil, fmt.Errorf("load %q from %s: %w", key, s, explain(err))
	}
	if r.record == nil {
		return nil, fmt.Errorf("load %q: %w in %s", key, codexauth.ErrNotFound, s)
	}
	return r.record, nil
}

// List returns the keys that have a record.
func (s *Store) List(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var keys []string
	err := s.withConn(ctx, func(conn *session) (err error) {
		keys, err = list(ctx, conn)
		return err
	})
	if err != nil && !isMissingTable(err) {
		return nil, fmt.Errorf("list %s: %w", s, explain(err))
	}
	return keys, nil
}

// withConn calls f with a connection of the pool, and again with another if that
// one turns out to have died while it was idle. So f must be safe to repeat.
func (s *Store) withConn(ctx context.Context, f func(*session) error) error {
	conn, err := s.use(ctx, f)
	if conn != nil {
		s.pool.put(conn)
	}
	return err
}

// takeOut is withConn, but for a connection that is the caller's own afterwards,
// if there is no error.
func (s *Store) takeOut(ctx context.Context, f func(*session) error) (*session, error) {
	conn, err := s.use(ctx, f)
	switch {
	case conn == nil:
		return nil, err
	case err != nil:
		s.pool.put(conn)
		return nil, err
	}
	s.pool.takeOut()
	return conn, nil
}

// use returns the connection that f was called with last, for the caller to give
// back; nil if there was none available.
func (s *Store) use(ctx context.Context, f func(*session) error) (*session, error) {
	for idle := s.pool.rules.maxConns; ; idle-- {
		conn, err := s.pool.get(ctx)
		if err != nil {
			return nil, err
		}
		err = f(conn)
		if err == nil || !conn.IsClosed() || ctx.Err() != nil || idle <= 0 {
			return conn, err
		}
		s.pool.put(conn)
	}
}
