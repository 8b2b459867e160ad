package main

import (
	"fmt"
	"time"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// An engine is a server that keeps logins for several machines. It is the run's
// own, and is there for the rig alone.
type engine interface {
	// room makes room for one login, and returns the address of its store and
	// what the environment must have for it.
	room() (address string, env []string, err error)
	// open opens a store at an address that room returned.
	open(address string) (codexauth.Store, error)
	// waiting counts those who wait for a claim to end.
	waiting() (int, error)
	// cut ends the connections of all clients.
	cut() error
	// loseClaims ends all claims as a server does whose holders are silent for too long.
	loseClaims() error
	// stop ends the server, in good order or as a crash would, and start starts it
	// again with the data that it has.
	stop(crash bool) error
	start() error
	// pause makes the server stand still, and resume lets it go on.
	pause() error
	resume() error
	close()
}

// untilWaiting waits until n wait for a claim.
func untilWaiting(e engine, n int) error {
	return rig.Until(fmt.Sprintf("%d to wait for the claim", n), func() bool {
		waiting, err := e.waiting()
		return err == nil && waiting >= n
	})
}

// keepInEngine moves a trial's login, which nobody has yet, to an engine.
func (t *trial) keepInEngine(e engine) (err error) {
	address, env, err := e.room()
	if err != nil {
		return err
	}
	t.Env = append(t.Env, env...)
	t.Env = append(t.Env, "CODEXAUTH_STORE="+address)
	t.Address = address
	t.Open = func() (codexauth.Store, error) { return e.open(address) }
	return nil
}

// newExpiredAt is newExpired in an engine, or in a file: nil.
func (b *run) newExpiredAt(e engine, cfg sandbox.Config) (*trial, error) {
	if e == nil {
		return b.newExpired(cfg)
	}
	return b.newExpiredIn(e, cfg)
}

// newExpiredIn is newExpired with the login in an engine.
func (b *run) newExpiredIn(e engine, cfg sandbox.Config) (*trial, error) {
	cfg.AccessTTL = -time.Hour
	t, err := b.newSignedOut(cfg)
	if err != nil {
		return nil, err
	}
	if err := t.keepInEngine(e); err != nil {
		t.Close()
		return nil, err
	}
	if err := t.SignIn(); err != nil {
		t.Close()
		return nil, err
	}
	t.Server.SetAccessTTL(time.Hour)
	t.Server.ResetCounters()
	return t, nil
}
