package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/freeport"
)

func TestPoolRules(t *testing.T) {
	const base = "postgres://me@127.0.0.1/db?"
	for _, params := range []string{
		"pool_max_conns=2", "pool_max_conn_idle_time=30s", "pool_max_conn_lifetime=1m", "pool_max_conn_lifetime_jitter=0",
		"pool_max_conn_lifetime_jitter=10s", "pool_health_check_period=1m", "pool_ping_timeout=0", "pool_min_conns=0",
		"pool_min_idle_conns=0", "statement_cache_capacity=0", "description_cache_capacity=512",
		"default_query_exec_mode=cache_statement", "default_query_exec_mode=exec",
	} {
		cfg, err := parse(base + params)
		if err != nil {
			t.Errorf("%s: %v", params, err)
			continue
		}
		for name := range cfg.conn.RuntimeParams { // all of them go to the server
			if name != "application_name" {
				t.Errorf("%s: the server is sent %s", params, name)
			}
		}
	}
	for _, params := range []string{
		"pool_max_conns=0", "pool_max_conns=1000000", "pool_max_conn_idle_time=30", "pool_max_conn_idle_time=-1s",
		"pool_max_conn_lifetime=0s", "pool_min_conns=1", "pool_min_idle_conns=2", "statement_cache_capacity=-1",
		"default_query_exec_mode=simple_protocol", "default_query_exec_mode=fast",
	} {
		name, _, _ := strings.Cut(params, "=")
		_, err := parse(base + params)
		wantError(t, err, nil, name, "in the connection string")
	}
	cfg, err := parse(base + "pool_max_conns=2&pool_max_conn_idle_time=30s&pool_max_conn_lifetime=2m&pool_max_conn_lifetime_jitter=1m")
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(cfg.pool.end())
	if cfg.pool.maxConns != 2 || cfg.pool.idleTime != 30*time.Second || left < time.Minute || left > 3*time.Minute {
		t.Errorf("%+v, and a connection made now lives %v", cfg.pool, left)
	}
}

// sessions counts those of a schema's Stores at the server.
func sessions(t testing.TB, name string) int64 {
	t.Helper()
	return admin(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name)[0].(int64)
}

// TestPoolKeepsWithinItsRules: no more connections than allowed, none that is
// idle for long, none that is too old, and none after Close.
func TestPoolKeepsWithinItsRules(t *testing.T) {
	name := fmt.Sprint("pool-", time.Now().UnixNano())
	u := with(with(newURL(t), "application_name", name), "pool_max_conns", "2")
	// A connection that was closed shows for a moment in what the server counts: how
	// many there may be is looked at where none is closed for being idle.
	s := open(t, u)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 5 {
				if _, err := s.List(patient(t)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := sessions(t, name); n > 2 {
		t.Errorf("%d connections, want 2 at the most", n)
	}
	s.Close()
	s = open(t, with(u, "pool_max_conn_idle_time", "200ms"))
	if _, err := s.List(patient(t)); err != nil {
		t.Fatal(err)
	}
	until(t, "the idle ones are closed", func() bool { return sessions(t, name) == 0 })

	s = open(t, with(u, "pool_max_conn_lifetime", "1ms"))
	for range 3 {
		if _, err := s.List(patient(t)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	until(t, "the old ones are closed", func() bool { return sessions(t, name) <= 1 })
	s.Close() // the last one may be young enough still

	s = open(t, u)
	c, err := s.Claim(patient(t), "work") // its session has a name of its own
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(patient(t)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	mustCommit(t, c, "x")
	mustRelease(t, c)
	until(t, "all are closed", func() bool { return sessions(t, name) == 0 })
	_, err = s.List(patient(t))
	wantError(t, err, errClosed)
}

// TestLeaveTaken: a server that logs what ends badly has nothing to log.
func TestLeaveTaken(t *testing.T) {
	u := newURL(t)
	allLeft := func() bool {
		return admin(t, "SELECT count(*) FROM pg_stat_activity WHERE usename = $1", "fleet")[0] == int64(0)
	}
	until(t, "other tests' processes have left", allLeft)
	before := serverLog(t)
	s := open(t, u)
	put(t, s, "work", "x")
	c := mustClaim(t, s, "work")
	_, err := s.Claim(expired(t), "work")
	wantError(t, err, codexauth.ErrBusy)
	mustRelease(t, c)
	s.Close()
	until(t, "all have left", allLeft)
	if said := strings.TrimPrefix(serverLog(t), before); strings.Contains(said, "unexpected EOF") || strings.Contains(said, "reset by peer") {
		t.Errorf("the server logged %.2000s", said)
	}
}

func serverLog(t *testing.T) string {
	t.Helper()
	needServer(t)
	log, err := os.ReadFile(testServer.Data() + ".log")
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

// TestServerIsFull: a fleet that wakes up at once waits for a connection rather
// than fail.
func TestServerIsFull(t *testing.T) {
	u := newURL(t)
	first := open(t, u)
	put(t, first, "work", "x")
	first.Close()
	admin(t, "ALTER ROLE fleet CONNECTION LIMIT 2")
	t.Cleanup(func() { admin(t, "ALTER ROLE fleet CONNECTION LIMIT -1") })
	var all sync.WaitGroup
	for range 12 {
		s := open(t, u)
		all.Go(func() {
			wantLoad(t, s, "work", "x")
			s.Close()
		})
	}
	all.Wait()
	for range 2 {
		mustClaim(t, open(t, u), fmt.Sprint("work", time.Now().UnixNano()))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := open(t, u).Load(ctx, "work")
	wantError(t, err, codexauth.ErrTransient, "raise max_connections")
}

// TestWhatPasses and what somebody has to fix are told apart.
func TestWhatPasses(t *testing.T) {
	needServer(t)
	port := freeport.One(t)
	for address, passes := range map[string]bool{
		fmt.Sprintf("postgres://me@127.0.0.1:%d/db", port):                          true,
		testServer.TCP("fleet", "wrong-Passw0rd").String():                          false,
		at(testServer.TCP("fleet", fleetPassword), "/nowhere").String():             false,
		with(testServer.TCP("fleet", fleetPassword), "sslmode", "require").String(): false,
	} {
		s, err := Open(address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Load(patient(t), "work")
		if got := errors.Is(err, codexauth.ErrTransient); got != passes {
			t.Errorf("%v passes: %t", err, got)
		}
		s.Close()
	}
}
