package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

const tokenCalls = 2_000_000 // in a round

// token times the hand-out of a cached token: against the clock read that it
// needs, and, with two goroutines, against x/oauth2's ReuseTokenSource. Rounds
// are paired, so that a drifting machine changes both sides.
func token(b *rig.Run) ([]verdict, error) {
	m, closeAll, err := signedIn()
	if err != nil {
		return nil, err
	}
	defer closeAll()
	ctx := context.Background()
	clock := func() int { return int(time.Now().UnixNano() & 1) }
	ours := func() int {
		t, _ := m.Token(ctx)
		return len(t.AccountID)
	}
	reuse := oauth2.ReuseTokenSource(&oauth2.Token{AccessToken: "x", Expiry: time.Now().Add(time.Hour)}, nil)
	theirs := func() int {
		t, _ := reuse.Token()
		return len(t.AccessToken)
	}
	var overClock, overReuse, nsOurs, nsClock, nsReuse []float64
	for range rig.Pick(b, 11, 31) {
		c, o := timed(1, clock), timed(1, ours)
		overClock = append(overClock, o/c)
		nsOurs, nsClock = append(nsOurs, o), append(nsClock, c)
		t2, o2 := timed(2, theirs), timed(2, ours)
		overReuse = append(overReuse, t2/o2)
		nsReuse = append(nsReuse, t2)
	}
	fmt.Printf("cached token %.1f ns, clock read %.1f ns, x/oauth2 with two goroutines %.1f ns a call (medians)\n",
		rig.Median(nsOurs), rig.Median(nsClock), rig.Median(nsReuse))
	return []verdict{
		{What: "Manager.Token / time.Now", Got: rig.Median(overClock), Bound: 1.3, Speed: true},
		{What: "x/oauth2 ReuseTokenSource / Manager.Token, two goroutines", Got: rig.Median(overReuse), Bound: 2.5, Least: true, Speed: true},
	}, nil
}

// timed returns nanoseconds a call with n goroutines at once. What the calls
// return is added up, each goroutine for itself, so that none can be left out.
func timed(n int, call func() int) float64 {
	var wg sync.WaitGroup
	began := time.Now()
	for range n {
		wg.Go(func() {
			sum := 0
			for range tokenCalls {
				sum += call()
			}
			runtime.KeepAlive(sum)
		})
	}
	wg.Wait()
	return float64(time.Since(began)) / float64(tokenCalls)
}

// signedIn returns a Manager with a valid login at a sandbox.
func signedIn() (*codexauth.Manager, func(), error) {
	srv, err := sandbox.Start(sandbox.Config{})
	if err != nil {
		return nil, nil, err
	}
	m, err := signInTo(srv, memory.New())
	if err != nil {
		srv.Close()
		return nil, nil, err
	}
	return m, func() { m.Close(); srv.Close() }, nil
}

func signInTo(srv *sandbox.Server, store codexauth.Store) (*codexauth.Manager, error) {
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Provider: codexauth.Provider{Issuer: srv.URL()}})
	if err != nil {
		return nil, err
	}
	const redirect, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"
	grant := codexauth.Grant{Code: srv.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}
	if _, err := m.SignIn(context.Background(), grant, codexauth.SignInOptions{}); err != nil {
		return nil, err
	}
	_, err = m.Token(context.Background())
	return m, err
}
