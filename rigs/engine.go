package main

import (
	"fmt"
	"time"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/file"
)

// An engine is a server that keeps logins for several machines. It is the run's
// own, and is there for the rig alone.
type engine interface {
	// place makes room for one login, and returns the address of its store and
	// what the environment must have for it.
	place() (address string, env []string, err error)
	// open opens a store at an address that place returned.
	open(address string) (codexauth.Store, error)
	// waiting counts those who wait for a claim to end.
	waiting() (int, error)
	// cut ends the connections of all clients.
	cut() error
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
	return until(fmt.Sprintf("%d to wait for the claim", n), func() bool {
		waiting, err := e.waiting()
		return err == nil && waiting >= n
	})
}

// keepIn moves a trial's login, which nobody has yet, to an engine.
func (t *trial) keepIn(e engine) (err error) {
	address, env, err := e.place()
	if err != nil {
		return err
	}
	t.env = append(t.env, env...)
	t.env = append(t.env, "CODEXAUTH_STORE="+address)
	t.address = address
	t.open = func() (codexauth.Store, error) { return e.open(address) }
	return nil
}

// openFile is how a trial opens its store if no engine keeps it.
func (t *trial) openFile() (codexauth.Store, error) { return file.Open(t.home) }

// newExpiredIn is newExpired with the login in an engine.
func (b *bench) newExpiredIn(e engine, cfg sandbox.Config) (*trial, error) {
	cfg.AccessTTL = -time.Hour
	t, err := b.newPlace(cfg)
	if err != nil {
		return nil, err
	}
	if err := t.keepIn(e); err != nil {
		t.close()
		return nil, err
	}
	if err := t.signIn(); err != nil {
		t.close()
		return nil, err
	}
	t.srv.SetAccessTTL(time.Hour)
	t.srv.ResetCounters()
	return t, nil
}
