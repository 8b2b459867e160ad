package etcd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/internal/rig/standstill"
	"codexauth/sandbox"
	"codexauth/store/storetest"
)

// expire ends a claim's lease under it, as etcd does when it was not kept alive.
func expire(t testing.TB, c *claim) {
	t.Helper()
	if err := c.store.gateway.Revoke(patient(t), c.lease.ID); err != nil {
		t.Fatal(err)
	}
}

// TestRestoredRevision: a cluster that was restored from a backup counts its
// revisions again. One that comes a second time, with another record, is not the
// one that was claimed.
func TestRestoredRevision(t *testing.T) {
	address := newAddress(t)
	s := open(t, address)
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	overwrite(t, s, "work", []byte("another"))
	e, err := s.read(patient(t), "work")
	if err != nil {
		t.Fatal(err)
	}
	c.last.revision = e.revision
	wantError(t, c.Commit(patient(t), []byte("ours")), codexauth.ErrLost)
	wantError(t, c.Delete(patient(t)), codexauth.ErrLost)
}

// TestAnswerLost: a change that was made and whose answer was lost is made once,
// and known to be made.
func TestAnswerLost(t *testing.T) {
	front := newFront(t, need(t).Endpoint())
	prefix := newAddress(t)
	direct := open(t, prefix)
	// The same server twice: the second way to it is good.
	throughBoth := func() *Store {
		s, err := New(Config{Endpoints: []string{front.address(), testServer.Endpoint()}, Prefix: direct.prefix})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for name, act := range map[string]func(codexauth.Claim) error{
		"insert": func(c codexauth.Claim) error { return c.Commit(patient(t), []byte("new")) },
		"update": func(c codexauth.Claim) error { return c.Commit(patient(t), []byte("new")) },
		"delete": func(c codexauth.Claim) error { return c.Delete(patient(t)) },
	} {
		front.deaf.Store(false)
		s := throughBoth()
		if name != "insert" {
			put(t, direct, name, "old")
		}
		c := mustClaim(t, s, name)
		lost := front.lost.Load()
		front.deaf.Store(true)
		if err := act(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if front.lost.Load() == lost {
			t.Errorf("%s: the answer was not lost", name)
		}
		want := []byte("new")
		if name == "delete" {
			want = nil
		}
		if got, _ := direct.Load(patient(t), name); !bytes.Equal(got, want) {
			t.Errorf("%s: stored is %q", name, got)
		}
		mustRelease(t, c)
	}
	// A claim whose answers are lost is held once.
	c := mustClaim(t, throughBoth(), "work")
	if n := queued(t, direct, "work"); n != 1 {
		t.Errorf("%d places in the queue", n)
	}
	mustRelease(t, c)
}

// TestOutcomeUnknown: if no answer comes at all, the error leaves it open, and
// Reload tells.
func TestOutcomeUnknown(t *testing.T) {
	front := newFront(t, need(t).Endpoint())
	direct := open(t, newAddress(t))
	s, err := New(Config{Endpoints: []string{front.address()}, Prefix: direct.prefix})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, direct, "work", "old")
	c := mustClaim(t, s, "work")
	front.deaf.Store(true)
	err = c.Commit(patient(t), []byte("new"))
	wantError(t, err, nil, "commit", s.String())
	if errors.Is(err, codexauth.ErrLost) {
		t.Errorf("%v: nobody else was there", err)
	}
	front.deaf.Store(false)
	if got, err := c.Reload(patient(t)); err != nil || string(got) != "new" {
		t.Errorf("Reload = %q, %v", got, err)
	}
	mustCommit(t, c, "newer")
	wantLoad(t, direct, "work", "newer")
}

// TestServerStalls: a commit that the server sits on ends with its context.
func TestServerStalls(t *testing.T) {
	t.Parallel()
	m := newServer(t)
	if err := m.Ready(); err != nil {
		t.Fatal(err)
	}
	s := open(t, "etcd://"+m.Endpoint())
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	if err := standstill.Stop(m.Process()); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	wantError(t, c.Commit(ctx, []byte("slow")), context.DeadlineExceeded, "commit", s.String(), "is the server there")
	_, err := s.Load(ctx, "work")
	wantError(t, err, codexauth.ErrTransient, s.String())
	_, err = open(t, s.Address()).Claim(ctx, "work")
	wantError(t, err, codexauth.ErrBusy, "did not answer")
	if took := time.Since(start); took > attemptTimeout+5*time.Second {
		t.Errorf("they took %v", took)
	}
	if err := standstill.Continue(m.Process()); err != nil {
		t.Fatal(err)
	}
	// The server may come to the commit now, or have noticed that nobody waits.
	if got, err := c.Reload(patient(t)); err != nil || string(got) != "old" && string(got) != "slow" {
		t.Errorf("Reload = %q, %v", got, err)
	}
	for err = codexauth.ErrLost; errors.Is(err, codexauth.ErrLost); {
		if _, err := c.Reload(patient(t)); err != nil {
			t.Fatal(err)
		}
		err = c.Commit(patient(t), []byte("late"))
	}
	if err != nil {
		t.Fatal(err)
	}
	wantLoad(t, s, "work", "late")
	mustRelease(t, c)
}

func TestServerRestart(t *testing.T) {
	t.Parallel()
	m := newServer(t)
	if err := m.Ready(); err != nil {
		t.Fatal(err)
	}
	s := open(t, "etcd://"+m.Endpoint())
	put(t, s, "work", "old")
	c := mustClaim(t, s, "work")
	mustCommit(t, c, "note")
	waiter := make(chan error, 1)
	go func() {
		c, err := open(t, s.Address()).Claim(patient(t), "work")
		if err == nil {
			if string(c.Record()) != "successor" {
				t.Errorf("the waiter found %q", c.Record())
			}
			err = c.Release()
		}
		waiter <- err
	}()
	until(t, "somebody waits", func() bool { return queued(t, s, "work") == 2 })
	time.Sleep(100 * time.Millisecond) // and has heard so
	m.Kill()
	wantError(t, c.Commit(patient(t), []byte("successor")), nil, s.String(), "refused")
	_, err := s.Load(patient(t), "work")
	wantError(t, err, codexauth.ErrTransient, s.String(), "refused")
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	if err := m.Ready(); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, c, "successor")
	wantLoad(t, s, "work", "successor")
	select {
	case err := <-waiter:
		t.Errorf("the waiter was let in (its error: %v) while somebody held the claim", err)
	default:
	}
	mustRelease(t, c)
	if err := <-waiter; err != nil {
		t.Error(err)
	}
}

// TestCancelledAtTheGrant: a wait that is cancelled about when the claim becomes
// free leaves nothing behind, whoever wins.
func TestCancelledAtTheGrant(t *testing.T) {
	place := newPlace(t)
	s := place.Open().(*Store)
	waits := func() bool { return queued(t, s, "work") == 2 }
	storetest.CancelledAtTheGrant(t, place, waits, func() {
		if n := queued(t, s, "work"); n != 0 {
			t.Fatalf("%d places are left in the queue", n)
		}
	})
}

// TestRestoredBackup: a cluster that goes back to an older state, with a spent
// token, while a program that knows better runs.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	m := newServer(t)
	if err := m.Ready(); err != nil {
		t.Fatal(err)
	}
	s := open(t, "etcd://"+m.Endpoint())
	server := sandbox.New(t, sandbox.Config{})
	running := check.ExpiredLogin(t, s, server)
	restart := func(change func() error) {
		t.Helper()
		m.Kill()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.Start(), m.Ready()); err != nil {
			t.Fatal(err)
		}
	}
	backup := filepath.Join(t.TempDir(), "backup")
	restart(func() error { return os.CopyFS(backup, os.DirFS(m.Data())) })
	if _, err := running.Token(patient(t)); err != nil {
		t.Fatal(err)
	}
	c := mustClaim(t, s, "another")
	mustCommit(t, c, "x")
	restart(func() error { return errors.Join(os.RemoveAll(m.Data()), os.CopyFS(m.Data(), os.DirFS(backup))) })

	_, err := running.Refresh(patient(t))
	wantError(t, err, nil, "went back")
	check.OneRefresh(t, server)
	wantError(t, c.Commit(patient(t), []byte("y")), codexauth.ErrLost) // it has gone, with its claim
	mustRelease(t, c)
	put(t, s, "another", "z")
	wantLoad(t, s, "another", "z")
}
