package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/reserved"
	"codexauth/internal/wait"
)

// errWouldEndAnother: a login that was replaced is not revoked, because servers end
// other sessions of an account with one, and one of those is wanted.
var errWouldEndAnother = errors.New("revoking it could end another login of that account")

// notRevokedError is ErrNotRevoked for a login that was replaced, with what kept the
// server from being told.
type notRevokedError struct{ error }

func (e *notRevokedError) Unwrap() error { return e.error }

func (e *notRevokedError) Is(target error) bool { return target == ErrNotRevoked }

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
func (k *keeper) farewell(ctx context.Context, old, rec *record, tell func(Account, error)) {
	if old == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	err := k.mayRevoke(ctx, old, rec)
	if err == nil {
		err = k.revoke(ctx, old)
	}
	if err != nil && !errors.Is(err, errWouldEndAnother) {
		k.log.Warn("revoking a login that was replaced", "key", k.cfg.Key, "error", err)
		err = &notRevokedError{err}
	}
	if tell != nil {
		tell(old.credential().Account, err)
	}
}

// partingTime is how long a server goes on being told of a sign-out once the caller
// has left. Nothing is stored that could be lost, and the claim keeps others waiting.
const partingTime = 2 * time.Second

// partingFrom returns ctx, which ends soon after the caller has left as well.
func partingFrom(caller, ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(caller, func() {
		_ = wait.Sleep(ctx, partingTime) // or until the server has answered
		cancel(context.Cause(caller))
	})
	return ctx, func() { stop(); cancel(nil) }
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
		return fmt.Errorf("%w, the new one", errWouldEndAnother)
	}
	keys, err := k.cfg.Store.List(ctx)
	if err != nil {
		return fmt.Errorf("%w, if another profile has one (they can't be listed: %w)", errWouldEndAnother, err)
	}
	for _, key := range reserved.Without(keys) {
		if key != k.cfg.Key && !k.holdsAnother(ctx, key, account) {
			return fmt.Errorf("%w, that of profile %q", errWouldEndAnother, key)
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
