//go:build unix

package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestTwoVersionsShareALogin: an older binary, which CODEXAUTH_OLD_BINARY names, and
// this one on one store, in both orders: a storm, then kills of the command at
// random times. What the older one drops of a record may cost a protection, and
// never the login.
func TestTwoVersionsShareALogin(t *testing.T) {
	old := os.Getenv("CODEXAUTH_OLD_BINARY")
	if old == "" {
		t.Skip("CODEXAUTH_OLD_BINARY names no older binary")
	}
	for name, parity := range map[string]int{"old first": 0, "new first": 1} {
		t.Run(name, func(t *testing.T) {
			b := newExpired(t)
			command := func(i int, args ...string) *exec.Cmd {
				cmd := b.command(args...)
				if i%2 == parity {
					cmd.Path = old
				}
				return cmd
			}
			var storm sync.WaitGroup
			for i := range 8 {
				storm.Go(func() {
					if out, err := command(i, "token").CombinedOutput(); err != nil {
						t.Errorf("token: %v: %d bytes", err, len(out))
					}
				})
			}
			storm.Wait()
			if n := b.server.Counters().RefreshRequests; n != 1 {
				t.Errorf("%d requests for one expired token", n)
			}
			for i := range 10 {
				killed := command(i, "refresh")
				killed.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				if err := killed.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(rand.N(150 * time.Millisecond)) // wherever it is by then
				_ = syscall.Kill(-killed.Process.Pid, syscall.SIGKILL)
				_ = killed.Wait()
				if out, err := command(i+1, "refresh").CombinedOutput(); err != nil {
					t.Fatalf("kill %d: the other version: %v: %s", i, err, out)
				}
			}
			if n := b.server.Counters().Reuses; n != 0 {
				t.Errorf("%d refresh tokens were used twice", n)
			}
		})
	}
}
