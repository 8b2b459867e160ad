package codexauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/oauth"
)

// ErrNotNewer: the login to import is not newer than the one that is stored.
var ErrNotNewer = errors.New("the stored login is at least as new")

// ImportOptions refine Import.
type ImportOptions struct {
	// Replace takes the login even if the stored one is of another account, is at
	// least as new, or can't be read.
	Replace bool
}

// Import stores a login that another program signed in, as a new login of this
// store. The other program must give its copy up: two holders of one refresh
// token are the very fault that this package exists to end.
//
// Issuer and ClientID of c are ignored: a login is imported for this Manager's
// provider, whoever wrote the file that it comes from. Account, and Expiry where
// it is zero, are read from the tokens. If the refresh token is the stored one,
// or one that this store knows to be spent, nothing changes and stored is false.
func (m *Manager) Import(ctx context.Context, c Credential, o ImportOptions) (stored bool, err error) {
	if err := m.completeImport(&c); err != nil {
		return false, err
	}
	claim, err := m.claim(ctx)
	if err != nil {
		return false, err
	}
	defer m.release(claim)
	old, err := m.replaceable(claim.Record(), SignInOptions(o))
	if err != nil {
		return false, err
	}
	if old != nil {
		fingerprint := c.RefreshToken.fingerprint()
		if fingerprint != "" && (old.fingerprint() == fingerprint || slices.Contains(old.Spent, fingerprint)) {
			return false, nil
		}
		if err := old.yieldsTo(c); err != nil && !o.Replace {
			return false, err
		}
	}
	if err := m.canSeal(); err != nil {
		return false, err
	}
	rec := newLogin(m.cfg.Key, c)
	if old != nil {
		rec.Skew = old.Skew
	}
	ctx = context.WithoutCancel(ctx)
	if err := m.replace(ctx, claim, rec); err != nil {
		return false, err
	}
	faultpoint.At(faultpoint.LoginSaved)
	m.adoptLogin(old, rec)
	return true, nil
}

func (m *Manager) completeImport(c *Credential) error {
	c.Issuer, c.ClientID = m.provider.Issuer, m.provider.ClientID
	account, claims, err := accountFrom(c.AccessToken.Reveal(), c.IDToken.Reveal())
	if err != nil {
		return fmt.Errorf("the access token to import can't be used: %w", err)
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
		c.Scopes = m.provider.Scopes
	}
	return nil
}

// yieldsTo returns why r must not simply be replaced by c.
func (r *record) yieldsTo(c Credential) error {
	if r.Credential.AccountID != c.Account.ID {
		return fmt.Errorf("%w as account %s, and the login to import is for %s", ErrSignedIn, r.Credential.AccountID, c.Account.ID)
	}
	if r.refused() != nil {
		return nil
	}
	have, theirs := issuedAt(r.Credential.AccessToken), issuedAt(c.AccessToken.Reveal())
	if !theirs.After(have) {
		return fmt.Errorf("%w (issued %s, the one to import %s)", ErrNotNewer, have.UTC().Format(time.RFC3339), theirs.UTC().Format(time.RFC3339))
	}
	return nil
}

func issuedAt(token string) time.Time {
	claims, _ := oauth.ParseClaims(token)
	return claims.IssuedAt
}

// HandOver gives the login to another program and ends this store's hold on it:
// deliver gets the whole credential, must make it durable at its new place, and
// must not keep it if it returns an error. It runs under the claim, so nobody
// refreshes meanwhile. Afterwards nobody is signed in here; the server is not told.
func (m *Manager) HandOver(ctx context.Context, deliver func(Credential) error) error {
	claim, err := m.claim(ctx)
	if err != nil {
		return err
	}
	defer m.release(claim)
	rec, err := m.read(claim.Record())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.RequestTimeout)
	defer cancel()
	if rec, err = m.pickUp(ctx, claim, rec, false); err != nil {
		return err
	}
	if f := rec.refused(); f != nil {
		return f.err()
	}
	if rec, err = m.settled(ctx, claim, rec); err != nil {
		return err
	}
	if err := deliver(rec.credential()); err != nil {
		return err
	}
	if err := m.replace(ctx, claim, rec.signedOut(time.Now())); err != nil {
		return fmt.Errorf("the login was handed over, but this store still holds it too; sign out here with --local: %w", err)
	}
	m.forget()
	return nil
}

// Credential returns the stored login without its refresh token, for programs
// that want the tokens in a file: they can use it until it expires. It does not
// refresh; call Token first.
func (m *Manager) Credential(ctx context.Context) (Credential, error) {
	rec, err := m.load(ctx)
	if err != nil {
		return Credential{}, err
	}
	c := rec.credential()
	c.RefreshToken = Secret{}
	return c, nil
}
