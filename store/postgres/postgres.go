package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"codexauth"
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
// from Claim, which waits for others as long as its context lets it.
//
// The pool's size bounds the connections for reading; each claim that is held or
// waited for takes one more.
type Store struct {
	pool  *pgxpool.Pool
	owned bool
	name  string
	turns sync.Map // key → chan struct{}: one goroutine of this Store at a time
}

var _ codexauth.Store = (*Store)(nil)

// Open returns the store that the connection string names: a URL or key=value
// pairs, completed by the PG* variables, the password file and the service file
// as pgx and libpq do. Of pgx's pool parameters pool_max_conns matters most. It
// does not connect yet: a server that is down or refuses is the error of the
// first call that needs it. The context ends the connections in advance that
// pool_min_conns asks for, and nothing later. No error repeats the connection
// string, which may hold a password.
func Open(ctx context.Context, connString string) (*Store, error) {
	cfg, err := parse(connString)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL store: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL store: %w", explain(err))
	}
	s := New(pool)
	s.owned = true
	return s, nil
}

// New returns a store on connections of the pool, which stays the caller's to
// close. A claim takes a connection out of the pool and closes it at its end.
func New(pool *pgxpool.Pool) *Store {
	return &Store{pool: pool, name: describe(pool.Config().ConnConfig)}
}

// Close closes the connections of a store that [Open] made. Claims that are held
// stay good, but for their late save (a broken connection can't be replaced).
func (s *Store) Close() {
	if s.owned {
		s.pool.Close()
	}
}

// String returns "postgres://host/database" without user and password.
func (s *Store) String() string { return s.name }

// Load returns the record of key: a primary key's look-up on the primary.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var r row
	err := checkKey(key)
	if err == nil {
		err = s.withConn(ctx, func(conn *pgx.Conn) (err error) {
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
	err := s.withConn(ctx, func(conn *pgx.Conn) (err error) {
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
func (s *Store) withConn(ctx context.Context, f func(*pgx.Conn) error) error {
	return s.withPooled(ctx, func(pooled *pgxpool.Conn) error { return f(pooled.Conn()) })
}

// withPooled is withConn for an f that may take the connection out of the pool.
func (s *Store) withPooled(ctx context.Context, f func(*pgxpool.Conn) error) error {
	for idle := s.pool.Stat().MaxConns(); ; idle-- {
		pooled, err := s.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		conn := pooled.Conn()
		err = f(pooled)
		pooled.Release() // does nothing to one that was taken out
		if err == nil || !conn.IsClosed() || ctx.Err() != nil || idle <= 0 {
			return err
		}
	}
}

func checkKey(key string) error {
	if key == "" {
		return errors.New("the key is empty")
	}
	if len(key) > maxKey {
		return fmt.Errorf("the key is %d bytes long; the longest is %d", len(key), maxKey)
	}
	return nil
}
