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
	moved := err == nil && there.Login == rec.Login && there.Seq >= rec.Seq
	switch {
	case moved, replace, errors.Is(err, ErrSignedOut):
	case err != nil:
		return fmt.Errorf("the new place: %w", err)
	default:
		return fmt.Errorf("%w at the new place, as account %s", ErrSignedIn, there.Credential.AccountID)
	}
	if !moved {
		if err := to.commit(ctx, target, rec); err != nil {
			return err
		}
	}
	if err := from.commit(ctx, source, rec.signedOut(time.Now())); err != nil {
		return fmt.Errorf("the login is at the new place, but the old one still holds it too; run this again: %w", err)
	}
	return nil
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
	return m.settled(ctx, claim, rec)
}

func (m *Manager) settled(ctx context.Context, claim Claim, rec *record) (*record, error) {
	rec, err := m.pickUp(ctx, claim, rec, false)
	if err != nil {
		return nil, err
	}
	if n := rec.unanswered(); n != nil {
		return nil, &RetryError{Err: fmt.Errorf("%w: a refresh by %s has no known outcome yet; run a refresh first", ErrBusy, n.attempt())}
	}
	return rec, nil
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
