package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Place is a login's place: a store, and the Sealer of what it holds (nil: plain).
type Place struct {
	Store  Store
	Sealer Sealer
}

// Move brings the login of key from one store to another. First the new place
// holds it durably, then the old one is signed out, without telling the server:
// two stores that share one refresh token would log each other out. If it is cut
// off in between, calling it again completes it. Another login at the new
// place is [ErrSignedIn], unless replace is set.
func Move(ctx context.Context, key string, from, to Place, replace bool) error {
	source, err := from.Store.Claim(ctx, key)
	if err != nil {
		return err
	}
	defer source.Release()
	target, err := to.Store.Claim(ctx, key)
	if err != nil {
		return err
	}
	defer target.Release()
	rec, err := from.live(key, source.Record())
	if err != nil {
		return err
	}
	if rec, err = from.settled(ctx, source, rec); err != nil {
		return err
	}
	there, err := to.live(key, target.Record())
	again := err == nil && there.Login == rec.Login // what an earlier call has left
	switch {
	case again, replace, errors.Is(err, ErrSignedOut):
	case err != nil:
		return fmt.Errorf("the new place: %w", err)
	default:
		return fmt.Errorf("%w at the new place, as account %s", ErrSignedIn, there.credential().Account.name())
	}
	before := target.Record()
	if !again || there.Seq < rec.Seq {
		if err := to.commit(ctx, target, rec); err != nil {
			return err
		}
	}
	return leave(ctx, from, source, rec, func() error { return putBack(ctx, target, before) })
}

// leave signs the old place out, if it still holds what has arrived at the new
// one. The claim may have been lost meanwhile: if somebody has refreshed the login
// at the old place since, what arrived is spent, and takeBack removes it.
func leave(ctx context.Context, from Place, source Claim, rec *record, takeBack func() error) error {
	err := from.commit(ctx, source, rec.gone(time.Now()))
	if !errors.Is(err, ErrLost) {
		if err != nil {
			err = fmt.Errorf("the login is at the new place, but the old one still holds it too; run this again: %w", err)
		}
		return err
	}
	data, readErr := source.Reload(ctx)
	if readErr != nil {
		return fmt.Errorf("the login is at the new place, but the old one may hold it too; run this again: %w", readErr)
	}
	cur, readErr := from.live(rec.Key, data)
	if readErr == nil && cur.same(rec) && cur.unanswered() == nil {
		return leave(ctx, from, source, cur, takeBack)
	}
	if errors.Is(readErr, ErrSignedOut) {
		readErr = fmt.Errorf("%w at the old place meanwhile", ErrSignedOut)
	}
	err = errors.Join(err, readErr)
	if back := takeBack(); back != nil {
		return fmt.Errorf("the login was changed at the old place meanwhile, and the copy at the new one could not be taken back (%w); sign out there with --local: %w", back, err)
	}
	return fmt.Errorf("the login was changed at the old place meanwhile, and nothing was moved; run this again: %w", err)
}

// putBack restores what a claim's record was.
func putBack(ctx context.Context, claim Claim, before []byte) error {
	if before == nil {
		return claim.Delete(ctx)
	}
	return claim.Commit(ctx, before)
}

// settled returns the newest state of a login that is to be written elsewhere or
// in another form: what waits in a rescue file is picked up first. A login whose
// refresh has no known outcome is not touched, for its answer may still come.
func (p Place) settled(ctx context.Context, claim Claim, rec *record) (*record, error) {
	m, err := NewManager(Config{
		Store: p.Store, Key: rec.Key, Sealer: p.Sealer, Lazy: true,
		Provider: Provider{Issuer: rec.Issuer, ClientID: rec.ClientID},
	})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	k, err := m.kept()
	if err != nil {
		return nil, err
	}
	return k.settled(ctx, claim, rec)
}

func (k *keeper) settled(ctx context.Context, claim Claim, rec *record) (*record, error) {
	rec, err := k.pickUp(ctx, claim, rec, false)
	if err != nil {
		return nil, err
	}
	return rec, rec.openOutcome()
}

// live reads a record that holds a login.
func (p Place) live(key string, data []byte) (*record, error) {
	if data == nil {
		return nil, fmt.Errorf("profile %q: %w", key, ErrSignedOut)
	}
	c := Config{Key: key, Sealer: p.Sealer}
	rec, err := c.decode(data)
	if err == nil && rec.SignedOut != nil {
		err = ErrSignedOut
	}
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", key, err)
	}
	return rec, nil
}

func (p Place) commit(ctx context.Context, claim Claim, rec *record) error {
	c := Config{Key: rec.Key, Sealer: p.Sealer}
	data, err := c.encode(rec)
	if err != nil {
		return err
	}
	return claim.Commit(ctx, data)
}
