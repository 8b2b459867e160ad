package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/rotator"
	"codexauth/internal/config"
	"codexauth/internal/place"
	"codexauth/internal/place/every"
)

// place reads the settings. It opens the store and reads nothing in it.
func (a *app) place(cmd *cobra.Command) (*place.Place, error) {
	s, err := a.resolve(cmd)
	if err != nil {
		return nil, err
	}
	a.warnOfPassword(a.flags.store)
	p, err := a.open(cmd.Context(), s)
	if err != nil {
		return nil, err
	}
	a.ownKey, a.leased = p.OwnKey, p.Broker != nil
	a.warnOfKeyFile(p)
	return p, p.Chosen(s)
}

// open opens the store that settings name.
func (a *app) open(ctx context.Context, s *config.Settings) (*place.Place, error) {
	p, err := a.placeOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := p.OpenAs(s, every.Kinds()); err != nil {
		return nil, err
	}
	a.opened = append(a.opened, p)
	return p, nil
}

// manager opens the place and makes a Manager for it. The caller closes it with
// app.finish.
func (a *app) manager(cmd *cobra.Command) (*codexauth.Manager, *place.Place, error) {
	p, err := a.place(cmd)
	if err != nil {
		return nil, nil, err
	}
	c := a.config(p)
	c.Lazy = true
	m, err := codexauth.NewManager(c)
	return m, p, err
}

// keeper is app.manager for a command that needs the login itself.
func (a *app) keeper(cmd *cobra.Command) (*codexauth.Manager, *place.Place, error) {
	m, p, err := a.manager(cmd)
	if err == nil {
		err = p.Kept()
	}
	return m, p, err
}

// storePlace is app.place for a command that needs a store.
func (a *app) storePlace(cmd *cobra.Command) (*place.Place, error) {
	p, err := a.place(cmd)
	if err == nil {
		err = p.Kept()
	}
	return p, err
}

// config is a Manager's for the place. Rotations run in processes of their own.
func (a *app) config(p *place.Place) codexauth.Config {
	c := p.Config()
	c.Log = a.log()
	if p.Broker == nil {
		c.OnEvent = a.onEvent
		r := &rotator.Parent{Place: p, Verbose: a.flags.verbose, Stderr: a.Stderr, Begin: a.heedSignals, OvertakeAfter: a.overtakeAfter}
		c.Delegate, c.BeforeClaim = r.Rotate, a.heedSignals
	}
	return c
}

// finish closes m: a refresh that is on its way comes to its end and is saved.
func (a *app) finish(m *codexauth.Manager) {
	defer a.After(500*time.Millisecond, "finishing the refresh that is on its way, so that its new token is not lost…")()
	m.Close() // its error is always nil
}

// patiently bounds the wait for a claim that nobody gives up.
func patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, rotator.Patience)
}
