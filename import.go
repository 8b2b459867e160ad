package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/oauth"
	"codexauth/internal/reason"
)

// ErrSpent: the login to import is an old copy. Its refresh token was spent or
// revoked here, or went elsewhere with the login; using it would end the login
// wherever that is now.
var ErrSpent = errors.New("the refresh token to import is an old copy's: it was spent or revoked here, or moved elsewhere")

// Import stores a login that another program signed in, as a new login of this
// store. The other program must give its copy up: two holders of one refresh
// token are the very fault that this package exists to end.
//
// Issuer and ClientID of c are ignored: a login is imported for this Manager's
// provider, whoever wrote the file that it comes from. Account, and Expiry where
// it is zero, are read from the tokens. If the refresh token is the stored one,
// or one that this store knows to be spent, nothing changes and stored is false;
// where nobody is signed in any more, such a one is [ErrSpent].
func (m *Manager) Import(ctx context.Context, c Credential, o SignInOptions) (stored bool, err error) {
	k, err := m.kept()
	if err != nil {
		return false, err
	}
	return k.importLogin(ctx, c, o)
}

func (k *keeper) importLogin(ctx context.Context, c Credential, o SignInOptions) (stored bool, err error) {
	if err := k.completeImport(&c); err != nil {
		return false, err
	}
	if o.DryRun {
		return k.wouldImport(ctx, c, o)
	}
	claim, err := k.claim(ctx)
	if err != nil {
		return false, err
	}
	defer k.release(claim)
	if err := k.arrive(ctx, claim); err != nil && !errors.Is(err, ErrRescueUnreadable) {
		return false, err
	}
	var before []byte
	rec, old, err := k.importOver(claim.Record(), c, o)
	if err == nil {
		err = k.canSeal()
	}
	if err == nil {
		err = reserve(ctx, claim, 1)
	}
	if err == nil {
		// Whoever was here since may have spent this very token, or signed in again:
		// each attempt is judged again, and is the same login.
		login := rec.Login
		rec, err = k.replace(context.WithoutCancel(ctx), claim, ErrNotSaved, func(data []byte) (*record, error) {
			var next *record
			before = data
			if next, old, err = k.importOver(data, c, o); err == nil {
				next.Login = login
			}
			return next, err
		})
	}
	if errors.Is(err, errHeld) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	faultpoint.At(faultpoint.LoginSaved)
	replaced := k.replacedLogin(before)
	k.adoptLogin(old, rec)
	k.farewell(ctx, replaced, rec, o.Replaced)
	return true, nil
}

// wouldImport says what an import would do now.
func (k *keeper) wouldImport(ctx context.Context, c Credential, o SignInOptions) (stored bool, err error) {
	data, err := k.loadBytes(ctx)
	if err == nil {
		_, _, err = k.importOver(data, c, o)
	}
	if errors.Is(err, errHeld) {
		return false, nil
	}
	return err == nil, err
}

// errHeld: the login to import is the stored one, or an older state of it.
var errHeld = errors.New("this login is stored already")

// importOver makes the record of an imported login in place of what is stored, and
// returns both, or why what is stored must stay. old is nil if there is nothing.
func (k *keeper) importOver(data []byte, c Credential, o SignInOptions) (rec, old *record, err error) {
	old, err = k.replaceable(data, o)
	if err != nil {
		return nil, nil, err
	}
	if old == nil {
		return newLogin(k.cfg.Key, c, nil), nil, nil
	}
	fingerprint := c.RefreshToken.fingerprint()
	switch {
	case old.SignedOut != nil && old.hasSpent(fingerprint):
		return nil, nil, fmt.Errorf("profile %q: %w", k.cfg.Key, ErrSpent)
	case fingerprint != "" && fingerprint == old.fingerprint(), old.hasSpent(fingerprint):
		return nil, nil, errHeld
	case old.SignedOut == nil && !o.Replace:
		if err := old.yieldsTo(c); err != nil {
			return nil, nil, err
		}
	}
	return newLogin(k.cfg.Key, c, old), old, nil
}

func (k *keeper) completeImport(c *Credential) error {
	c.Issuer, c.ClientID = k.provider.Issuer, k.provider.ClientID
	account, claims, err := accountFrom(c.AccessToken.Reveal(), c.IDToken.Reveal())
	if err != nil {
		return fmt.Errorf("the access token to import can't be used: %w", err)
	}
	if account.ID == "" {
		account.ID = c.Account.ID // its file may know it all the same
	}
	if c.Account.ID != "" && c.Account.ID != account.ID {
		return fmt.Errorf("%w: the tokens to import are for account %s, and their file says %s", ErrOtherLogin, account.ID, c.Account.ID)
	}
	if claims.Issuer != "" && claims.Issuer != c.Issuer && claims.Issuer != c.Issuer+"/" {
		return fmt.Errorf("%w: the tokens to import are from %s, and this is for %s", ErrOtherLogin, claims.Issuer, c.Issuer)
	}
	c.Account = account
	if c.LastRefresh.IsZero() {
		c.LastRefresh = claims.IssuedAt
	}
	if c.Expiry.IsZero() {
		c.Expiry = claims.Expiry
	}
	if c.Expiry.IsZero() {
		c.Expiry = c.LastRefresh.Add(defaultLife)
	}
	if c.Scopes == nil {
		c.Scopes = k.provider.Scopes
	}
	return nil
}

// yieldsTo returns why r must not simply be replaced by c.
func (r *record) yieldsTo(c Credential) error {
	if ours := r.credential().Account; !ours.same(c.Account) {
		return fmt.Errorf("%w as account %s, and the login to import is for %s", ErrSignedIn, ours.name(), c.Account.name())
	}
	if r.refused() != nil {
		return nil
	}
	have, theirs := issuedAt(r.Credential.AccessToken), issuedAt(c.AccessToken.Reveal())
	if !theirs.After(have) {
		return &notNewerError{have, theirs}
	}
	return nil
}

// notNewerError is ErrSignedIn where the stored login is the same account's.
type notNewerError struct{ have, theirs time.Time }

func (e *notNewerError) Error() string {
	return fmt.Sprintf("%v (issued %s, the one to import %s)", reason.ErrNotNewer, e.have.UTC().Format(time.RFC3339), e.theirs.UTC().Format(time.RFC3339))
}

func (e *notNewerError) Is(target error) bool {
	return target == reason.ErrNotNewer || target == ErrSignedIn
}

func issuedAt(token string) time.Time {
	claims, _ := oauth.ParseClaims(token)
	return claims.IssuedAt
}

// HandOver gives the login to another program and ends this store's hold on it:
// deliver gets the whole credential, must make it durable at its new place, and
// must not keep it if it returns an error. It runs under the claim, so nobody
// refreshes meanwhile. Afterwards nobody is signed in here; the server is not told.
//
// A claim can be lost while deliver runs. If somebody else has refreshed the login
// by then, or has begun to, what was delivered is spent: the login stays here,
// takeBack removes what deliver left, and the error says so. takeBack may be nil
// where nothing can be taken back.
func (m *Manager) HandOver(ctx context.Context, deliver func(Credential) error, takeBack func() error) error {
	k, err := m.kept()
	if err != nil {
		return err
	}
	return k.handOver(ctx, deliver, takeBack)
}

func (k *keeper) handOver(ctx context.Context, deliver func(Credential) error, takeBack func() error) error {
	claim, err := k.claim(ctx)
	if err != nil {
		return err
	}
	defer k.release(claim)
	if err := k.arrive(ctx, claim); err != nil {
		return err
	}
	rec, err := k.read(claim.Record())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.cfg.RequestTimeout)
	defer cancel()
	if rec, err = k.pickUp(ctx, claim, rec, false); err != nil {
		return err
	}
	if err := rec.canLeave(); err != nil {
		return err
	}
	if err := reserve(ctx, claim, 1); err != nil { // else the login would be in two places
		return notWritable(err)
	}
	if err := deliver(rec.credential()); err != nil {
		return err
	}
	faultpoint.At(faultpoint.Delivered)
	_, err = k.replace(ctx, claim, errNotEnded, func(data []byte) (*record, error) {
		cur, err := k.read(data)
		if err == nil && !cur.same(rec) {
			err = fmt.Errorf("%w: the login was refreshed or replaced", ErrLost)
		}
		if err == nil {
			err = cur.canLeave()
		}
		if err != nil {
			return nil, &overtaken{err}
		}
		return cur.signedOut(time.Now()), nil
	})
	var late *overtaken
	switch {
	case errors.As(err, &late):
		return notHandedOver(late.error, takeBack)
	case err != nil:
		return fmt.Errorf("the login was handed over, but this store may still hold it too; sign out here with --local: %w", err)
	}
	k.forget()
	return nil
}

// canLeave returns why the login of r must not go to another place now.
func (r *record) canLeave() error {
	if f := r.refused(); f != nil {
		return f.err()
	}
	return r.openOutcome()
}

// openOutcome returns why the login of r must not be touched while a refresh of it
// has no known outcome: its answer may still come.
func (r *record) openOutcome() error {
	if n := r.unanswered(); n != nil {
		return &RetryError{Err: fmt.Errorf("%w: a refresh by %s has no known outcome yet; run a refresh first", ErrBusy, n.attempt())}
	}
	return nil
}

// overtaken is why a login that was delivered must not be used there.
type overtaken struct{ error }

func (o *overtaken) Unwrap() error { return o.error }

// notHandedOver takes back what must not be used.
func notHandedOver(why error, takeBack func() error) error {
	if takeBack == nil {
		return fmt.Errorf("the login was not handed over, and what was delivered must not be used: its refresh token is, or will be, spent here: %w", why)
	}
	if err := takeBack(); err != nil {
		return fmt.Errorf("the login was not handed over, and what was delivered could not be taken back; delete it (%w): %w", err, why)
	}
	return fmt.Errorf("the login was not handed over, and what was delivered was taken back: %w", why)
}

// Credential returns the stored login without its refresh token, for programs
// that want the tokens in a file: they can use it until it expires. It does not
// refresh; call Token first.
func (m *Manager) Credential(ctx context.Context) (Credential, error) {
	k, err := m.kept()
	if err != nil {
		return Credential{}, err
	}
	rec, err := k.load(ctx)
	if err != nil {
		return Credential{}, err
	}
	c := rec.credential()
	c.RefreshToken = Secret{}
	return c, nil
}
