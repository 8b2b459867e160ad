//go:build unix

package main

import (
	"syscall"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/lockfile"
	"codexauth/internal/place"
)

// overtakeVariable is how long the commands of a test wait for another's child
// before they send one of their own.
const overtakeVariable = "CODEXAUTH_TEST_OVERTAKE"

// A process that sleeps (Ctrl-Z, a debugger, a container that is paused) keeps
// nobody from refreshing, wherever it stood.
func TestSuspendedParent(t *testing.T) {
	t.Run("its child at work", func(t *testing.T) {
		t.Parallel()
		b := newExpired(t)
		b.setFaults(t, "latency-after=300ms*1")
		r := b.start(t, "token")
		eventually(t, "the refresh", func() bool { return b.server.Counters().Refreshes == 1 })
		r.signal(t, syscall.SIGSTOP)
		for range 2 { // the first may adopt what the child brings
			if r := b.run(t, "refresh"); r.code != verdict.Done {
				t.Errorf("exit %d; it said %q", r.code, r.stderr)
			}
		}
		r.signal(t, syscall.SIGCONT)
		if ended := r.end(t); ended.code != verdict.Done {
			t.Errorf("the one that slept: exit %d; it said %q", ended.code, ended.stderr)
		}
		if c := b.server.Counters(); c.TokenRequests < 2 || c.Reuses != 0 {
			t.Errorf("counters %+v, want two refreshes", c)
		}
	})
	t.Run("about to send one", func(t *testing.T) {
		t.Parallel()
		b := newExpired(t)
		b.env = append(b.env, overtakeVariable+"=20ms")
		p := &place.Place{Profile: "default", LockDir: b.home}
		unlock, err := lockfile.TryLock(p.LockFile("rotating"))
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		wantToken(t, b.run(t, "token"))
		if c := b.server.Counters(); c.TokenRequests != 1 {
			t.Errorf("counters %+v, want one refresh", c)
		}
	})
}
