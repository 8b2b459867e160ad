package main

import (
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// A trial is one login, to which something happens. Whoever wants another store,
// environment or machine with the same server changes a copy.
type trial struct {
	rig.Trial
	b       *run
	foreign judge // in place of the sandbox
}

// trialOf is the trial that rig has made.
func (b *run) trialOf(t *rig.Trial, err error) (*trial, error) {
	if err != nil {
		return nil, err
	}
	return &trial{Trial: *t, b: b}, nil
}

// newTrial starts a sandbox and signs in.
func (b *run) newTrial(cfg sandbox.Config) (*trial, error) { return b.trialOf(b.NewTrial(cfg)) }

// newSignedOut is a trial in which nobody is signed in.
func (b *run) newSignedOut(cfg sandbox.Config) (*trial, error) { return b.trialOf(b.NewSignedOut(cfg)) }

// newWithoutServer is a trial in which no sandbox runs.
func (b *run) newWithoutServer() (*trial, error) { return b.trialOf(b.NewWithoutServer()) }

// newExpired is newTrial with a login whose access token has expired, and the
// server's counters at zero.
func (b *run) newExpired(cfg sandbox.Config) (*trial, error) {
	cfg.AccessTTL = -time.Hour
	t, err := b.newTrial(cfg)
	if err != nil {
		return nil, err
	}
	t.Server.SetAccessTTL(time.Hour)
	t.Server.ResetCounters()
	return t, nil
}
