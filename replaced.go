package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/reserved"
)

// Replaced is a login that a new one took the place of: who it was, and what
// became of it at the server.
type Replaced struct {
	Account Account
	Issuer  string
	// Err is nil if the server ended it. Else the server's session may live on:
	// [ErrWouldEndAnother] if it was left alone on purpose, or what kept the server
	// from being told.
	Err error
}

// ErrWouldEndAnother: a login that was replaced is not revoked, because servers end
// other sessions of an account with one, and one of those is wanted.
var ErrWouldEndAnother = errors.New("revoking it could end another login of that account")

// farewellTime is how long a server has to take a replaced login back. The claim is
// held meanwhile, so that nobody signs in as that account at the same time.
const farewellTime = 10 * time.Second

// replacedLogin is the login in a record that a new login was put in the place of,
// in its newest state; nil if there was none that the server may still serve. It is
// asked before the old login's rescue files are dropped.
func (k *keeper) replacedLogin(data []byte) *record {
	if data == nil {
		return nil
	}
	rec, err := k.cfg.decode(data)
	if err != nil || rec.SignedOut != nil || rec.Credential.RefreshToken == "" || rec.refused() != nil {
		return nil
	}
	files, _ := k.rescueFiles(rec)
	for _, f := range files {
		if !f.mayBeOf(rec) {
			continue
		}
		if next, err := k.readRescue(f.path); err == nil && next.outdoes(rec) {
			rec = next
		}
	}
	return rec
}

// farewell revokes old, which the new login took the place of, unless that could
// end a login that is wanted, and tells. The caller holds the claim, and the new
// login is durable.
func (k *keeper) farewell(ctx context.Context, old, rec *record, tell func(Replaced)) {
	if old == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	err := k.mayRevoke(ctx, old, rec)
	if err == nil {
		err = k.revoke(ctx, old)
	}
	if err != nil && !errors.Is(err, ErrWouldEndAnother) {
		k.log.Warn("revoking a login that was replaced", "key", k.cfg.Key, "error", err)
	}
	if tell != nil {
		tell(Replaced{Account: old.credential().Account, Issuer: old.Issuer, Err: err})
	}
}

// revoke ends rec's login at the server.
func (k *keeper) revoke(ctx context.Context, rec *record) error {
	endpoints, err := k.discoverFor(ctx, rec)
	if err == nil {
		err = k.oauthClient(endpoints).Revoke(ctx, rec.Credential.RefreshToken)
	}
	return public(err)
}

// mayRevoke returns why old must be left alone at the server: it is not this
// Manager's provider that it is from, or the server might end the new login or one
// of another profile with it.
func (k *keeper) mayRevoke(ctx context.Context, old, rec *record) error {
	if _, err := k.usable(old); err != nil {
		return err
	}
	account := old.credential().Account
	if !account.surelyNot(rec.credential().Account) {
		return fmt.Errorf("%w, the new one", ErrWouldEndAnother)
	}
	keys, err := k.cfg.Store.List(ctx)
	if err != nil {
		return fmt.Errorf("%w, if another profile has one (they can't be listed: %w)", ErrWouldEndAnother, err)
	}
	for _, key := range reserved.Without(keys) {
		if key != k.cfg.Key && !k.holdsAnother(ctx, key, account) {
			return fmt.Errorf("%w, that of profile %q", ErrWouldEndAnother, key)
		}
	}
	return nil
}

// holdsAnother reports whether what is stored under key is surely no login of the
// account. What can't be read may be one.
func (k *keeper) holdsAnother(ctx context.Context, key string, account Account) bool {
	data, err := k.cfg.Store.Load(ctx, key)
	if err != nil {
		return errors.Is(err, ErrNotFound)
	}
	c := Config{Key: key, Sealer: k.cfg.Sealer}
	rec, err := c.decode(data)
	return err == nil && (rec.SignedOut != nil || rec.Issuer != k.provider.Issuer || rec.credential().Account.surelyNot(account))
}

// surelyNot reports whether a and b are certainly two people in two accounts: the
// sessions of one are not ended with the other's, whatever a server counts as one.
func (a Account) surelyNot(b Account) bool {
	return a.UserID != "" && b.UserID != "" && a.UserID != b.UserID && (a.ID == "" || a.ID != b.ID)
}
