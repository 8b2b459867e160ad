package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// The two who sign in.
const ann, bob = "ann@rigs.test", "bob@rigs.test"

// people sign in and out while a refresh is on its way. Nothing of an old login
// lands on a new one, and nothing comes back after a sign-out.
func people(b *run) ([]verdict, error) {
	cfg := sandbox.Config{Users: []sandbox.User{{Email: ann}, {Email: bob}}}
	return b.prove("people", 4, append(append(moving(cfg), overtakings(b, nil)...), []proof{
		{name: "sign-out in mid-refresh", cfg: cfg, play: signOutMeanwhile},
		{name: "sign-out among many who ask", cfg: cfg, play: signOutAmongMany},
		{name: "sign-out that the server does not hear", cfg: cfg, play: signOutUnheard},
		{name: "sign-in as another in mid-refresh", cfg: cfg, play: signInMeanwhile},
		{name: "sign-in as the same in mid-refresh", cfg: cfg, play: signInAgain},
		{name: "two people replace each other while tokens are asked for", cfg: cfg, play: replacingEachOther},
	}...)), nil
}

// dead checks that the store is signed out for good, and that the server has
// revoked the login to its newest token.
func (t *trial) dead(revoked bool) error {
	err := errors.Join(t.Run("token").Want(exitSignedOut), t.Run("refresh").Want(exitSignedOut), t.noRescue())
	if c := t.Server.Counters(); (c.FamiliesRevoked == 1) != revoked || c.Reuses+c.DeadFamily > 0 {
		err = errors.Join(err, fmt.Errorf("want revoked: %v, and no spent or dead token sent; got %+v", revoked, c))
	}
	return err
}

// refusedNow checks that a token which was printed is worth nothing any more.
func (t *trial) refusedNow(r result) error {
	token, err := readBearer(r)
	if err != nil {
		return nil // none was printed
	}
	status, err := t.ask(token)
	if err == nil && status != http.StatusUnauthorized {
		err = fmt.Errorf("after the sign-out the backend answers %d to a token", status)
	}
	return err
}

func signOutMeanwhile(t *trial) error {
	r, err := t.slowly()
	if err != nil {
		return err
	}
	out := t.Run("logout")
	end := r.End()
	if end.Code != 0 && end.Code != exitSignedOut {
		err = fmt.Errorf("the command that refreshed: %v", end)
	}
	return errors.Join(err, out.Want(0), t.refusedNow(end), t.dead(true))
}

func signOutAmongMany(t *trial) error {
	if err := t.Fault("latency=300ms@refresh"); err != nil {
		return err
	}
	before, err := t.others(6)
	if err != nil {
		return err
	}
	out, err := t.Start("codexauth", nil, "logout")
	if err != nil {
		return err
	}
	after, err := t.others(6)
	if err != nil {
		return err
	}
	err = out.End().Want(0)
	for _, r := range append(before, after...) {
		end := r.End()
		if end.Code != 0 && end.Code != exitSignedOut {
			err = errors.Join(err, fmt.Errorf("among many: %v", end))
		}
		err = errors.Join(err, t.refusedNow(end))
	}
	return errors.Join(err, t.dead(true))
}

func signOutUnheard(t *trial) error {
	if err := t.Fault("revoke-status=503"); err != nil {
		return err
	}
	return errors.Join(t.Run("logout").Want(0, "may live on"), t.dead(false))
}

func signInMeanwhile(t *trial) error { return signInDuring(t, bob) }
func signInAgain(t *trial) error     { return signInDuring(t, ann) }

func signInDuring(t *trial, email string) error {
	accounts := t.accounts()
	old, err := t.stored()
	if err != nil {
		return err
	}
	r, err := t.slowly()
	if err != nil {
		return err
	}
	if err := t.signInAs(email); err != nil {
		return err
	}
	t.Server.ClearFaults()
	// Whichever login it saw: another person's sign-in ends the old one at the server,
	// and one of the same person must not.
	token, err := t.honoured(r.End())
	if email != ann && token.AccountID == accounts[ann] {
		err = unlessReplaced(err)
	}
	for _, command := range []string{"token", "refresh", "token"} {
		err = errors.Join(err, t.Run(command).Want(0))
	}
	now, err2 := t.honoured(t.Run("token", "--json"))
	rec, err3 := t.stored()
	if now.AccountID != accounts[email] || rec.Login == old.Login || rec.Seq != 2 {
		err = errors.Join(err, fmt.Errorf("after the sign-in of %s: %+v with a token of %s", email, rec, now.AccountID))
	}
	// The old login's refresh, the code, the new login's refresh.
	return errors.Join(err, err2, err3, t.requests(3), t.noRescue())
}

func replacingEachOther(t *trial) error {
	accounts := t.accounts()
	rounds := rig.Pick(t.b.Run, 10, 40)
	if err := t.Fault("latency=20ms@refresh"); err != nil {
		return err
	}
	var mu sync.Mutex
	var errs []error
	counts := map[string]int{}
	note := func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		counts[what]++
		if err != nil {
			errs = append(errs, err)
		}
	}
	var signers, askers sync.WaitGroup
	done := make(chan struct{})
	for _, email := range []string{ann, bob} {
		signers.Go(func() {
			for range rounds {
				note("sign-ins", t.signInAs(email))
				time.Sleep(30 * time.Millisecond)
			}
		})
	}
	asking := func(ask func()) {
		askers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					ask()
				}
			}
		})
	}
	asking(func() {
		r := t.Run("refresh")
		if r.Code == exitTryLater { // it lost the race too often
			note("refreshes put off", nil)
			return
		}
		note("refreshes", r.Want(0))
	})
	for range 2 {
		asking(func() {
			token, err := t.honouredUnlessReplaced()
			if err == nil && token.AccountID != accounts[ann] && token.AccountID != accounts[bob] {
				err = fmt.Errorf("a token of account %s", token.AccountID)
			}
			note("tokens", err)
		})
	}
	signers.Wait()
	close(done)
	askers.Wait()
	fmt.Printf("  two people: %v\n", counts)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	err := errors.Join(t.signInAs(bob), t.Run("refresh").Want(0))
	last, err2 := t.honoured(t.Run("token", "--json"))
	if last.AccountID != accounts[bob] {
		err = errors.Join(err, fmt.Errorf("the last sign-in was bob's, and the token is of %s", last.AccountID))
	}
	// What was replaced is revoked, and nothing else.
	if c := t.Server.Counters(); c.Reuses+c.DeadFamily+c.UnknownTokens > 0 || c.FamiliesRevoked > c.Revocations || c.Refreshes < 1 {
		err = errors.Join(err, fmt.Errorf("server: %+v", c))
	}
	return errors.Join(err, err2, t.noRescue())
}
