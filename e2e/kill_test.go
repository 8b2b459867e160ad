package e2e

import (
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"
)

// Whatever ends the command that the user started, a refresh that is under way
// runs to its end and is saved: nothing of the login is lost.
func TestCommandEndsDuringRefresh(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, cli *rig.CLI) func(){
		"killed": func(t *testing.T, cli *rig.CLI) func() {
			process := cli.Start(t, "token")
			return func() { process.Kill() }
		},
		"terminal closed": func(t *testing.T, cli *rig.CLI) func() {
			term := cli.OnTerminal(t, "token")
			return term.Close
		},
		"interrupted": func(t *testing.T, cli *rig.CLI) func() {
			term := cli.OnTerminal(t, "token")
			return func() { term.Type(t, "\x03") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rig.StartServer(t)
			c := rig.Discover(t, s.Issuer)
			cli := newExpired(t, s)
			spent := cli.Stored(t).RefreshToken
			s.Arm(t, oidc.Fault{When: oidc.After, DelayMS: 1500}) // spent, and the answer is still to come
			end := end(t, cli)
			await(t, "the token to be spent", func() bool { return s.Counters(t).Refreshes == 1 })
			end()
			await(t, "its successor to be saved", func() bool { return cli.Stored(t).RefreshToken != spent })
			s.Disarm(t)
			token(t, cli)
			wantCounters(t, s, oidc.Counters{TokenRequests: 1, Refreshes: 1, MaxInFlight: 1})
			if !c.Active(t, cli.Stored(t).RefreshToken) {
				t.Error("the stored refresh token is not the live one")
			}
		})
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s in vain for %s", what)
		}
	}
}
