package run

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

// Place reads the settings. It opens the store and reads nothing in it.
func (r *Run) Place(cmd *cobra.Command) (*place.Place, error) {
	s, err := r.Resolve(cmd)
	if err != nil {
		return nil, err
	}
	r.WarnOfPassword(r.Flags.Store)
	p, err := r.Open(cmd.Context(), s)
	if err != nil {
		return nil, err
	}
	r.ownKey, r.Leased = p.OwnKey, p.Broker != nil
	r.warnOfKeyFile(p)
	return p, p.Chosen(s)
}

// Open opens the store that settings name.
func (r *Run) Open(ctx context.Context, s *config.Settings) (*place.Place, error) {
	p, err := r.placeOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := p.OpenAs(s, every.Kinds()); err != nil {
		return nil, err
	}
	r.CloseAtEnd(p)
	return p, nil
}

// Manager opens the place and makes a Manager for it. The caller closes it with
// Run.Finish.
func (r *Run) Manager(cmd *cobra.Command) (*codexauth.Manager, *place.Place, error) {
	p, err := r.Place(cmd)
	if err != nil {
		return nil, nil, err
	}
	c := r.Config(p)
	c.Lazy = true
	m, err := codexauth.NewManager(c)
	return m, p, err
}

// Keeper is Run.Manager for a command that needs the login itself.
func (r *Run) Keeper(cmd *cobra.Command) (*codexauth.Manager, *place.Place, error) {
	m, p, err := r.Manager(cmd)
	if err == nil {
		err = p.Kept()
	}
	return m, p, err
}

// StorePlace is Run.Place for a command that needs a store.
func (r *Run) StorePlace(cmd *cobra.Command) (*place.Place, error) {
	p, err := r.Place(cmd)
	if err == nil {
		err = p.Kept()
	}
	return p, err
}

// Config is a Manager's for the place. Rotations run in processes of their own.
func (r *Run) Config(p *place.Place) codexauth.Config {
	c := p.Config()
	c.Log = r.Log()
	if p.Broker == nil {
		c.OnEvent = r.OnEvent
		parent := &rotator.Parent{Place: p, Verbose: r.Flags.Verbose, Stderr: r.Stderr, Begin: r.HeedSignals, OvertakeAfter: r.OvertakeAfter}
		if r.OnClaim != nil {
			parent.Claimed = func(took time.Duration) { r.OnClaim(p.Profile, took) }
		}
		c.Delegate, c.BeforeClaim, c.Claimed = parent.Rotate, r.HeedSignals, parent.Claimed
	}
	return c
}

// Finish closes m: a refresh that is on its way finishes and is saved.
func (r *Run) Finish(m *codexauth.Manager) {
	defer r.After(500*time.Millisecond, "finishing the refresh that is on its way, so that its new token is not lost…")()
	m.Close() // its error is always nil
}

// Patiently bounds the wait for a claim that nobody gives up.
func Patiently(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, rotator.Patience)
}
