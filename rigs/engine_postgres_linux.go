package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"codexauth"
	"codexauth/internal/rig/pgserver"
	"codexauth/store/postgres"
)

// pgEngine is PostgreSQL.
type pgEngine struct {
	*pgserver.Server
	rooms atomic.Int32

	mu     sync.Mutex
	paused []int // the server's processes
}

func newPostgres(o pgserver.Options) (*pgEngine, error) {
	s, err := pgserver.Start(o)
	if err != nil {
		return nil, err
	}
	return &pgEngine{Server: s}, nil
}

func (e *pgEngine) room() (address string, env []string, err error) {
	schema := fmt.Sprint("place_", e.rooms.Add(1))
	if _, err := e.Query(pgserver.Database, "CREATE SCHEMA "+schema+" AUTHORIZATION "+pgserver.Fleet); err != nil {
		return "", nil, err
	}
	u := e.TCP(pgserver.Fleet, "")
	u.User = url.User(pgserver.Fleet)
	u.RawQuery += "&search_path=" + schema
	return u.String(), []string{"PGPASSWORD=" + pgserver.FleetPassword}, nil
}

func (e *pgEngine) open(address string) (codexauth.Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	u.User = url.UserPassword(pgserver.Fleet, pgserver.FleetPassword)
	return postgres.Open(u.String())
}

func (e *pgEngine) waiting() (int, error) {
	rows, err := e.Query(pgserver.Database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(rows[0][0])
}

func (e *pgEngine) cut() error {
	_, err := e.Query(pgserver.Database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+pgserver.Fleet+"'")
	return err
}

// loseClaims: a claim is its session's.
func (e *pgEngine) loseClaims() error { return e.cut() }

func (e *pgEngine) stop(crash bool) error {
	if crash {
		return e.Crash()
	}
	return e.Control("stop")
}

func (e *pgEngine) start() error { return e.Control("start") }

// pause stops the server's main process first, so that no other is born meanwhile.
func (e *pgEngine) pause() error {
	main, err := os.ReadFile(filepath.Join(e.Data(), "postmaster.pid"))
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(main), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paused = []int{pid}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	for _, child := range childrenOf(pid) {
		e.paused = append(e.paused, child)
		if err := syscall.Kill(child, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

func (e *pgEngine) resume() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, pid := range e.paused {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may have ended
	}
	e.paused = nil
	return nil
}

func (e *pgEngine) close() { e.Stop() }
