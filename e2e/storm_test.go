package e2e

import (
	"fmt"
	"sync"
	"testing"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"
)

// Many processes find one expired credential at once: exactly one of them asks
// the server, and all get its token.
func TestStorm(t *testing.T) {
	for _, n := range []int{10, 50} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := rig.StartServer(t)
			cli := newExpired(t, s)
			s.Arm(t, oidc.Fault{When: oidc.Before, DelayMS: 1000}) // so that they meet
			results := storm(t, cli, n, "token")
			tokens := map[string]bool{}
			for i, r := range results {
				wantCode(t, fmt.Sprintf("token (process %d)", i), r, exitDone)
				tokens[oneToken(t, r)] = true
			}
			if len(tokens) != 1 {
				t.Errorf("%d different tokens, want one", len(tokens))
			}
			wantCounters(t, s, oidc.Counters{TokenRequests: 1, Refreshes: 1, MaxInFlight: 1})
		})
	}
}

// Forced refreshes at once each may rotate, but never spend one token twice.
func TestStormOfForcedRefreshes(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	cli := rig.NewCLI(t, s.Issuer)
	signIn(t, cli)
	s.Reset(t)
	for i, r := range storm(t, cli, 10, "refresh") {
		wantCode(t, fmt.Sprintf("refresh (process %d)", i), r, exitDone)
	}
	got := s.Counters(t)
	if got.Refreshes < 1 || got.Refreshes != got.TokenRequests || got.MaxInFlight != 1 || got.RevokedGrants != 0 {
		t.Errorf("counters %+v, want every request a rotation and one at a time", got)
	}
	if !c.Active(t, cli.Stored(t).RefreshToken) {
		t.Error("the stored refresh token is not the live one")
	}
}

func storm(t *testing.T, cli *rig.CLI, n int, args ...string) []rig.Result {
	t.Helper()
	results, errs := make([]rig.Result, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { results[i], errs[i] = cli.Exec(args...) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return results
}
