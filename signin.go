package codexauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/oauth"
	"codexauth/internal/wait"
)

// Grant is what a person's consent brought. It is good for one SignIn, and doesn't
// print itself. Package login gets one; other programs may fill in the first three.
type Grant struct {
	Code        string // the authorization code
	RedirectURI string // where it was sent to
	Verifier    string // of PKCE (RFC 7636): proves that the code is ours
	// Granted takes their place after a device sign-in by RFC 8628: the tokens
	// themselves, out of sight.
	Granted *oauth.Granted
}

// String shows nothing of a grant.
func (g Grant) String() string { return oauth.Grant(g).String() }

// Format prints what String returns, whatever the verb.
func (g Grant) Format(f fmt.State, _ rune) { fmt.Fprint(f, g.String()) }

// LogValue is for log/slog.
func (g Grant) LogValue() slog.Value { return slog.StringValue(g.String()) }

// MarshalText keeps a grant out of JSON and every other text encoding.
func (g Grant) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// SignInOptions refine SignIn and Import.
type SignInOptions struct {
	// Replace puts the new login in place of a record that is damaged, from a
	// newer version, or of another issuer or client. Such a record can't be
	// used, but it may be all that is left of somebody's login. An import takes
	// the place of any login then, and otherwise only of an older one of its account.
	Replace bool
	// Replaced, where it is not nil, hears of the login that the new one took the
	// place of, once that one is durable: whose it was, and what became of it at the
	// server. With a nil error the server ended it; with [ErrNotRevoked] the server
	// could not be told. Any other error says why it was left alone: to revoke it
	// could end another login that is wanted.
	Replaced func(old Account, err error)
	// DryRun is for Import: it changes nothing and claims nothing, and what Import
	// returns is what it would come to.
	DryRun bool
}

// SignIn redeems g and stores the login, in place of an earlier one: the newest
// sign-in wins. It holds the claim from before the code is redeemed until the
// login is durable, so that no rotation of the old login lands on the new one.
// Once it has the claim, the end of ctx no longer stops it.
func (m *Manager) SignIn(ctx context.Context, g Grant, o SignInOptions) (Account, error) {
	k, err := m.kept()
	if err != nil {
		return Account{}, err
	}
	if o.DryRun {
		return Account{}, fmt.Errorf("a dry run of a sign-in, whose code can be redeemed once: %w", errors.ErrUnsupported)
	}
	return k.signIn(ctx, g, o)
}

func (k *keeper) signIn(ctx context.Context, g Grant, o SignInOptions) (Account, error) {
	endpoints, err := k.discover(ctx)
	if err != nil {
		return Account{}, err
	}
	claim, err := k.claim(ctx)
	if err != nil {
		return Account{}, err
	}
	defer k.release(claim)
	if err := k.canSeal(); err != nil {
		return Account{}, err
	}
	if err := reserve(ctx, claim, 2); err != nil {
		return Account{}, notWritable(err)
	}
	shelters := k.shelters(roomFor(claim.Record()))
	defer closeShelters(shelters)
	coming := &arrival{Login: rand.Text(), Since: time.Now().UTC(), Places: directories(shelters)}
	old, announced, err := k.announce(context.WithoutCancel(ctx), claim, coming, o)
	if err != nil {
		return Account{}, notAnnounced(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.cfg.RequestTimeout)
	defer cancel()
	sent := time.Now()
	client := k.oauthClient(endpoints)
	answer, err := client.Exchange(ctx, oauth.Grant(g))
	if err != nil {
		k.unannounce(context.WithoutCancel(ctx), claim, coming)
		return Account{}, public(err)
	}
	faultpoint.At(faultpoint.CodeExchanged)
	now := time.Now()
	rec, err := k.newRecord(answer, old, sent, now)
	if err != nil {
		k.giveUp(ctx, client, answer.RefreshToken, old)
		k.unannounce(context.WithoutCancel(ctx), claim, coming)
		return Account{}, err
	}
	rec.Login = coming.Login
	before, rescued, err := k.settleArrival(context.WithoutCancel(ctx), claim, rec, shelters, announced)
	if err != nil {
		if rescued == "" {
			k.abandon(client, answer.RefreshToken, old)
		}
		return Account{}, err
	}
	faultpoint.At(faultpoint.LoginSaved)
	replaced := k.replacedLogin(before)
	k.adoptLogin(old, rec)
	k.farewell(ctx, replaced, rec, o.Replaced)
	return rec.credential().Account, nil
}

// notAnnounced says that no code was redeemed, where it is the store that says no.
func notAnnounced(err error) error {
	for _, known := range []error{ErrDamaged, ErrNewerVersion, ErrOtherLogin, ErrSealed, ErrWrongKey, ErrNotSealed, ErrRescueUnreadable} {
		if errors.Is(err, known) {
			return err
		}
	}
	return notWritable(err)
}

// abandon is giveUp once the time of the sign-in's requests may be over.
func (k *keeper) abandon(client *oauth.Client, refreshToken string, old *record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), k.cfg.RequestTimeout)
	defer cancel()
	k.giveUp(ctx, client, refreshToken, old)
}

// giveUp revokes what a sign-in in place of old brought and nobody will have, unless
// that could end a login that is still stored.
func (k *keeper) giveUp(ctx context.Context, client *oauth.Client, refreshToken string, old *record) {
	if refreshToken == "" || old != nil && old.SignedOut == nil {
		return
	}
	if err := client.Revoke(ctx, refreshToken); err != nil {
		k.log.Warn("revoking a login that is not stored", "key", k.cfg.Key, "error", err)
	}
}

// newRecord makes the record of a sign-in in place of old, which may be nil.
func (k *keeper) newRecord(answer *oauth.Answer, old *record, sent, now time.Time) (*record, error) {
	believed := now
	if old != nil && old.Issuer == k.provider.Issuer {
		believed = now.Add(old.skew())
	}
	c, taught, err := credentialFrom(answer, k.provider, believed)
	if err != nil {
		return nil, err
	}
	rec := newLogin(k.cfg.Key, c, old)
	rec.SignedIn = now.UTC()
	rec.learnSkew(taught, sent, now)
	k.rememberEndpoints(rec, now)
	return rec, nil
}

// canSeal makes sure of the key before there is something to lose: a login that
// can't be sealed can't be saved. (For a rotation its note is the proof.)
func (k *keeper) canSeal() error {
	if k.cfg.Sealer == nil {
		return nil
	}
	_, err := k.cfg.Sealer.Seal(nil)
	if err != nil {
		return fmt.Errorf("sealing the record: %w", err)
	}
	return nil
}

// adoptLogin makes a login that was just stored the one at hand, in place of old,
// of which nothing is to come back. What was signed out here may have been moved,
// and what is rescued of it is then its new store's.
func (k *keeper) adoptLogin(old, rec *record) {
	if old != nil && (old.SignedOut == nil || old.Arriving != nil) {
		k.dropRescues(old)
	}
	k.forget()
	k.publish(heldOf(rec))
	k.mu.Lock()
	k.lookAhead()
	k.mu.Unlock()
}

// replaceable reads what a sign-in or an import is about to replace: a login, a
// tombstone, or nothing. A record that can't be used is replaced only if the
// person said so.
func (k *keeper) replaceable(data []byte, o SignInOptions) (*record, error) {
	if data == nil {
		return nil, nil
	}
	rec, err := k.cfg.decode(data)
	switch {
	case err == nil && rec.SignedOut != nil:
		return rec, nil
	case err == nil:
		rec, err = k.usable(rec)
	default:
		err = fmt.Errorf("profile %q: %w", k.cfg.Key, err)
	}
	if err != nil && o.Replace {
		return nil, nil
	}
	return rec, err
}

// replace commits what next makes of the stored record. next decides what may be
// replaced, and is asked again whenever the record turns out to be another: the
// claim may have been lost, and somebody else was here. An error of next ends it;
// the store's comes with what it means for the caller, failure.
func (k *keeper) replace(ctx context.Context, claim Claim, failure error, next func(data []byte) (*record, error)) (*record, error) {
	return k.replaceOr(ctx, claim, failure, next, func() {})
}

// replaceOr is replace, with failed called after each attempt that did not land.
func (k *keeper) replaceOr(ctx context.Context, claim Claim, failure error, next func(data []byte) (*record, error), failed func()) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	var tried []string // each attempt may land, and late
	data := claim.Record()
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		rec, err := next(data)
		if err != nil {
			return nil, err
		}
		if err = k.commit(ctx, claim, rec); err == nil {
			return rec, nil
		}
		tried = append(tried, rec.Rev)
		if now, err := k.reload(ctx, claim); err == nil {
			data = now
			if cur, err := k.cfg.decode(data); err == nil && slices.Contains(tried, cur.Rev) {
				return cur, nil // it had landed
			}
		}
		failed()
		if wait.Sleep(ctx, pause) != nil {
			return nil, fmt.Errorf("%w: %w", failure, err)
		}
	}
}

// forget drops what was known of an earlier login.
func (k *keeper) forget() {
	k.mu.Lock()
	k.known.spent, k.known.seenLogin, k.known.seenSeq = "", "", 0
	k.mu.Unlock()
	k.held.Store(nil)
}

// ErrNotRevoked: a login has ended in this store, but the server could not be told;
// its session may live on.
var ErrNotRevoked = errors.New("signed out here, but the server's session may live on")

// SignOut ends the login: it commits a tombstone, after which no token remains
// in the store and nothing of this login comes back, and then revokes the
// refresh token at the server (RFC 7009). Once ctx has ended it waits two seconds
// more for the server. An error that wraps [ErrNotRevoked] means that only the
// server was not told. With local it is not meant to be, and its session lives on.
func (m *Manager) SignOut(ctx context.Context, local bool) error {
	k, err := m.kept()
	if err != nil {
		return err
	}
	return k.signOut(ctx, local)
}

func (k *keeper) signOut(caller context.Context, local bool) error {
	claim, err := k.claim(caller)
	if err != nil {
		return err
	}
	defer k.release(claim)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), k.cfg.RequestTimeout)
	defer cancel()
	if err := k.arrive(ctx, claim); err != nil {
		return err
	}
	rec, err := k.read(claim.Record())
	if err != nil {
		return err
	}
	if rec, err = k.pickUp(ctx, claim, rec, true); err != nil {
		return err // what is revoked must be the newest that there is
	}
	if err := reserve(ctx, claim, 1); err != nil {
		return fmt.Errorf("%w: %w", errNotEnded, err)
	}
	ended, err := k.endLogin(ctx, claim, rec, local)
	if err != nil {
		return err
	}
	faultpoint.At(faultpoint.TombstoneSaved)
	k.dropRescues(rec)
	k.forget()
	if local || ended.Credential.RefreshToken == "" {
		return nil
	}
	ctx, leave := partingFrom(caller, ctx)
	defer leave()
	if err := k.revoke(ctx, ended); err != nil {
		return fmt.Errorf("%w: %w", ErrNotRevoked, err)
	}
	faultpoint.At(faultpoint.Revoked)
	return nil
}

// errNotEnded: a store holds a login that was to end there. Nothing that is not
// stored elsewhere has come of it, as it has where an answer is not saved.
var errNotEnded = errors.New("the end of the login could not be saved, and it stays as it is")

// endLogin commits the tombstone of rec's login, whatever state it has reached by
// now, and returns the state that it replaced. Another login is left alone.
func (k *keeper) endLogin(ctx context.Context, claim Claim, rec *record, local bool) (ended *record, err error) {
	_, err = k.replace(ctx, claim, errNotEnded, func(data []byte) (*record, error) {
		ended = rec
		if data != nil {
			if ended, err = k.read(data); err != nil {
				return nil, err
			}
		}
		switch {
		case ended.Login != rec.Login:
			return nil, fmt.Errorf("%w: another login was stored meanwhile; nobody was signed out", ErrLost)
		case local:
			return ended.signedOut(time.Now()), nil
		}
		return ended.gone(time.Now()), nil
	})
	return ended, err
}
