package postgres

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/standstill"
)

// terminate ends the session that has the claim, as an administrator, a fail-over
// or the network would.
func terminate(t testing.TB, c *claim) {
	t.Helper()
	pid := c.conn.PID()
	admin(t, "SELECT pg_terminate_backend($1)", int32(pid))
	until(t, "the session ends", func() bool {
		return admin(t, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", int32(pid))[0] == int64(0)
	})
}

func TestServerRestart(t *testing.T) {
	s := open(t, newURL(t))
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	mustCommit(t, c, "note")
	wantLoad(t, s, "work", "note") // so that the pool has a connection that will be dead
	if err := testServer.Control("stop"); err != nil {
		t.Fatal(err)
	}
	wantError(t, c.Commit(patient(t), []byte("successor")), nil, s.String())
	_, err := s.Load(patient(t), "work")
	wantError(t, err, nil, "no connection", s.String())
	if err := testServer.Control("start"); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, c, "successor")
	wantLoad(t, s, "work", "successor")
	mustRelease(t, c)
	put(t, s, "work", "next")
}

// deafConn can lose what the server answers.
type deafConn struct {
	net.Conn
	deaf *atomic.Bool
}

func (c deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.deaf.Load() && n > 0 {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// TestAnswerLost: a commit that landed and whose answer was lost has landed once.
func TestAnswerLost(t *testing.T) {
	u := newURL(t)
	cfg, err := parse(u.String())
	if err != nil {
		t.Fatal(err)
	}
	var deaf, first atomic.Bool
	cfg.conn.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil || !first.CompareAndSwap(false, true) {
			return conn, err
		}
		return deafConn{conn, &deaf}, nil // the one that the claim takes
	}
	s := newStore(cfg)
	defer s.Close()
	for name, act := range map[string]func(codexauth.Claim) error{
		"insert": func(c codexauth.Claim) error { return c.Commit(patient(t), []byte("new")) },
		"update": func(c codexauth.Claim) error { return c.Commit(patient(t), []byte("new")) },
		"delete": func(c codexauth.Claim) error { return c.Delete(patient(t)) },
	} {
		first.Store(true)
		if name != "insert" {
			put(t, open(t, u), name, "old")
		}
		s.pool.idle = nil
		first.Store(false)
		c := mustClaim(t, s, name)
		deaf.Store(true)
		if err := act(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		deaf.Store(false)
		if c.conn != nil {
			t.Errorf("%s: the answer was not lost", name)
		}
		want := []byte("new")
		if name == "delete" {
			want = nil
		}
		if got, _ := open(t, u).Load(patient(t), name); !bytes.Equal(got, want) {
			t.Errorf("%s: stored is %q", name, got)
		}
		mustRelease(t, c)
	}
}

// TestServerStalls: a commit that the server sits on ends with its context, and
// does no harm when the server comes to it later.
func TestServerStalls(t *testing.T) {
	s := open(t, newURL(t))
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	backend, err := os.FindProcess(int(c.conn.PID()))
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.Signal(syscall.Signal(0)); err != nil {
		t.Skipf("the server's processes are another user's: %v", err)
	}
	if err := standstill.Stop(backend); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = c.Commit(ctx, []byte("too slow"))
	wantError(t, err, nil, "commit", s.String())
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("Commit took %v with a deadline of 100ms", took)
	}
	if got, err := c.Reload(patient(t)); err != nil || string(got) != "old" {
		t.Errorf("Reload = %q, %v", got, err)
	}
	mustCommit(t, c, "late")
	pid := int32(backend.Pid)
	if err := standstill.Continue(backend); err != nil {
		t.Fatal(err)
	}
	until(t, "the old session ends", func() bool {
		return admin(t, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid)[0] == int64(0)
	})
	wantLoad(t, s, "work", "late")
	mustRelease(t, c)
}
