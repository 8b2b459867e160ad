package codexauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/frame"
)

// Place is where a login is kept, whatever its issuer: what a program needs that
// shows, moves or reseals logins without using them.
type Place struct {
	Store  Store
	Sealer Sealer // opens what is stored; nil: it is plain
	Key    string // empty means DefaultKey
}

func (p Place) config() *Config {
	return &Config{Store: p.Store, Sealer: p.Sealer, Key: cmp.Or(p.Key, DefaultKey)}
}

// Describe is [Manager.Status] for whatever login is kept here, of any issuer.
func (p Place) Describe(ctx context.Context) (Status, error) {
	c := p.config()
	s := Status{Key: c.Key, State: StateSignedOut}
	data, err := c.Store.Load(ctx, c.Key)
	if errors.Is(err, ErrNotFound) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	s.Sealed = frame.Sealed(data)
	rec, err := c.decode(data)
	if err != nil {
		return s, fmt.Errorf("profile %q: %w", c.Key, err)
	}
	s.Issuer, s.ClientID = rec.Issuer, rec.ClientID
	if rec.SignedOut != nil {
		s.MovedTo = rec.SignedOut.Moved.text()
		return s, nil
	}
	return rec.status(s), nil
}

// Reseal writes the record again, sealed with next; nil means plain. It holds the
// claim meanwhile and changes nothing else of the record. next must not have opened
// anything before, even if it is for the same key. What waits in a rescue file is
// put into the store first; while a refresh has no known outcome the error wraps
// [ErrBusy], for its answer may yet come under the old key. Backups keep that one.
func (p Place) Reseal(ctx context.Context, next Sealer) error {
	before := p.config()
	claim, err := p.claim(ctx)
	if err != nil {
		return err
	}
	defer claim.Release()
	if claim.Record() == nil {
		return fmt.Errorf("profile %q: %w", before.Key, ErrNotFound)
	}
	rec, err := before.decode(claim.Record())
	if err != nil {
		return fmt.Errorf("profile %q: %w", before.Key, err)
	}
	if rec.SignedOut == nil || rec.Arriving != nil {
		if rec, err = p.settled(ctx, claim, rec); err != nil {
			return err
		}
	}
	after := Config{Key: before.Key, Sealer: next}
	data, err := after.encode(rec)
	if err != nil {
		return err
	}
	if _, err := after.decode(data); err != nil { // before the old form is gone
		return fmt.Errorf("profile %q: the new seal can't be opened: %w", before.Key, err)
	}
	return claim.Commit(ctx, data)
}

// MoveTo brings the login to another place: to another store, under the same key, or
// under another key of the same store, which to.Store nil stands for. First the new
// place holds it durably, then the old one is signed out, without telling the server:
// two records that share one refresh token would log each other out. What stays behind
// says where the login went: a successor that its last holder gets late is saved there.
// If it is cut off in between, calling it again completes it. Another login at the new
// place is [ErrSignedIn], unless replaced is not nil: it lets the login take the place
// of another one, or of what can't be read, and then hears whose that was, or why that
// can't be told. The server hears nothing: the session of what is replaced lives on.
func (p Place) MoveTo(ctx context.Context, to Place, replaced func(account Account, err error)) error {
	went, err := p.destination(&to)
	if err != nil {
		return err
	}
	source, target, err := claimBoth(ctx, p, to)
	if err != nil {
		return err
	}
	defer source.Release()
	defer target.Release()
	rec, err := p.live(source.Record())
	if arriving := (*arrivingError)(nil); errors.As(err, &arriving) {
		rec, err = p.config().decode(source.Record())
	}
	if err != nil {
		return err
	}
	if rec, err = p.settled(ctx, source, rec); err == nil && rec.SignedOut != nil {
		err = p.config().ended(rec)
	}
	if err != nil {
		return err
	}
	there, err := to.live(target.Record())
	again := err == nil && there.Login == rec.Login // what an earlier call has left
	switch {
	case again, replaced != nil, errors.Is(err, ErrSignedOut):
	case err != nil:
		return fmt.Errorf("the new place: %w", err)
	default:
		return fmt.Errorf("%w at the new place, as account %s", ErrSignedIn, there.credential().Account.name())
	}
	if err := reserve(ctx, source, 1); err != nil { // else the login would be in two places
		return fmt.Errorf("the old place: %w", notWritable(err))
	}
	before := target.Record()
	if !again || there.Seq < rec.Seq {
		arriving := *rec
		arriving.Key = went.Key
		if err := to.commit(ctx, target, &arriving); err != nil {
			return err
		}
	}
	faultpoint.At(faultpoint.Delivered)
	l := leaving{from: p, source: source, to: went, takeBack: func() error { return putBack(ctx, target, before) }}
	left := l.leave(ctx, rec)
	if left == nil && replaced != nil && !again && !errors.Is(err, ErrSignedOut) {
		replaced(there.accountOf(), err)
	}
	return left
}

// accountOf is whose login r is; r may be nil.
func (r *record) accountOf() Account {
	if r == nil {
		return Account{}
	}
	return r.credential().Account
}

// destination completes to, and says where that is for those who look at p later.
func (p Place) destination(to *Place) (whereabouts, error) {
	key, there := p.config().Key, to.config().Key
	if to.Store == nil {
		to.Store, to.Sealer = p.Store, p.Sealer
		if there == key {
			return whereabouts{}, fmt.Errorf("the login is at the key %q already", key)
		}
		return whereabouts{Key: there}, nil
	}
	if there != key {
		return whereabouts{}, fmt.Errorf("a login keeps its key when it moves: it is %q here and would be %q there", key, there)
	}
	store := "another store"
	if named, ok := to.Store.(fmt.Stringer); ok {
		store = named.String()
	}
	return whereabouts{Key: there, Store: store}, nil
}

// claimBoth claims two places, in one order whichever is which where they are in one
// store: two moves in opposite directions must not wait for each other.
func claimBoth(ctx context.Context, p, to Place) (source, target Claim, err error) {
	if to.config().Key < p.config().Key {
		target, source, err = claimBoth(ctx, to, p)
		return source, target, err
	}
	if source, err = p.claim(ctx); err != nil {
		return nil, nil, err
	}
	if target, err = to.claim(ctx); err != nil {
		return nil, nil, errors.Join(err, source.Release())
	}
	return source, target, nil
}

// leaving is a login that has arrived at its new place and leaves the old one.
type leaving struct {
	from     Place
	source   Claim
	to       whereabouts
	takeBack func() error // removes what arrived
}

// leave signs the old place out, if it still holds what has arrived at the new
// one. The claim may have been lost meanwhile: if somebody has refreshed the login
// at the old place since, what arrived is spent, and takeBack removes it.
func (l *leaving) leave(ctx context.Context, rec *record) error {
	err := l.from.commit(ctx, l.source, rec.movedTo(l.to, time.Now()))
	if !errors.Is(err, ErrLost) {
		if err != nil {
			err = fmt.Errorf("the login is at the new place, but the old one still holds it too; run this again: %w", err)
		}
		return err
	}
	data, readErr := l.source.Reload(ctx)
	if readErr != nil {
		return fmt.Errorf("the login is at the new place, but the old one may hold it too; run this again: %w", readErr)
	}
	cur, readErr := l.from.live(data)
	if readErr == nil && cur.same(rec) && cur.unanswered() == nil {
		return l.leave(ctx, cur)
	}
	if errors.Is(readErr, ErrSignedOut) {
		readErr = fmt.Errorf("%w at the old place meanwhile", ErrSignedOut)
	}
	err = errors.Join(err, readErr)
	if back := l.takeBack(); back != nil {
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
	return k.settled(ctx, claim)
}

func (k *keeper) settled(ctx context.Context, claim Claim) (*record, error) {
	if err := k.arrive(ctx, claim); err != nil {
		return nil, err
	}
	rec, err := k.cfg.decode(claim.Record())
	if err != nil || rec.SignedOut != nil {
		return rec, err
	}
	rec, err = k.pickUp(ctx, claim, rec, false)
	if err != nil {
		return nil, err
	}
	return rec, rec.openOutcome()
}

// claim claims the record.
func (p Place) claim(ctx context.Context) (Claim, error) {
	claim, err := p.Store.Claim(ctx, p.config().Key)
	if err != nil {
		return nil, err
	}
	faultpoint.At(faultpoint.Claimed)
	return claim, nil
}

// live reads a record that holds a login.
func (p Place) live(data []byte) (*record, error) {
	c := p.config()
	if data == nil {
		return nil, fmt.Errorf("profile %q: %w", c.Key, ErrSignedOut)
	}
	rec, err := c.decode(data)
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", c.Key, err)
	}
	if rec.SignedOut != nil {
		return nil, c.ended(rec)
	}
	return rec, nil
}

func (p Place) commit(ctx context.Context, claim Claim, rec *record) error {
	data, err := p.config().encode(rec)
	if err != nil {
		return err
	}
	return claim.Commit(ctx, data)
}
