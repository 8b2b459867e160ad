package codexauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/oauth"
	"codexauth/internal/wait"
)

// How one login is kept alive by many. A refresh token can be spent once, so:
//
//  1. look first: somebody may have rotated already, and nothing is sent;
//  2. claim the record, read it under the claim, and look again;
//  3. commit a note that a refresh is on its way: whoever comes later knows that
//     the token may be spent, and it proves that the store can be written;
//  4. send the token that was read under this claim, once, and only while the
//     note is young (the fence);
//  5. save what came back before anybody uses it;
//  6. commit what was refused, so that nobody asks again, and what passes, so
//     that everybody waits.
//
// Once the token may be on its way, nothing that the caller does stops it.

const (
	// fence is how old a note may be when its request leaves. A successor waits
	// that long, and the longest request, before it takes the request for over.
	fence      = 10 * time.Second
	waitMargin = 10 * time.Second
	// commitTimeout bounds one commit, saveTimeout all attempts to save a successor.
	commitTimeout = 10 * time.Second
	saveTimeout   = 30 * time.Second
	// shortBackoff is the longest back-off that a caller without a valid token
	// is made to sit out rather than be told about.
	shortBackoff = 15 * time.Second
)

// get gets a token that n accepts: from the store, else by a rotation.
func (k *keeper) get(ctx context.Context, n Need) (*held, error) {
	if n.looked && k.underWay() == nil {
		if !n.Discovered {
			k.discoverAhead() // while the store is busy with the claim
		}
		h, err := k.rotate(ctx, n, n.AtOnce)
		var retry *RetryError
		if !errors.As(err, &retry) || !retry.unasked {
			return h, err
		}
	}
	waited := false
	for {
		rec, err := k.load(ctx)
		if err != nil {
			return nil, err
		}
		h := k.publish(heldOf(rec))
		if n.accepts(h) {
			return h, nil
		}
		if n.onlyRefused(h) && !n.looked && !n.leased && !k.doubts.worthARefresh(h) {
			return nil, &RetryError{Err: errVain}
		}
		if hd := k.underWay(); hd != nil {
			if err := hd.rejoin(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if err := k.mayAsk(rec, n); err != nil && !k.rescued(rec) {
			return nil, err
		}
		valid := time.Now().UnixNano() < h.end
		if left := backoffLeft(rec, n); left > 0 {
			if waited || valid || left > min(shortBackoff, k.cfg.Patience) {
				return nil, backoffError(rec)
			}
			if err := wait.Sleep(ctx, left); err != nil {
				return nil, err
			}
			waited = true // others waited too, and one of them asks: look again
			continue
		}
		if k.cfg.Delegate != nil {
			_, n.Discovered = rec.endpoints(time.Now())
			return k.delegate(ctx, n, valid)
		}
		return k.rotate(ctx, n, valid)
	}
}

// delegate has another process rotate, and looks what became of it.
func (k *keeper) delegate(ctx context.Context, n Need, valid bool) (*held, error) {
	n.AtOnce = n.AtOnce && valid
	began := time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := k.cfg.Delegate(ctx, n)
		if errors.Is(err, errors.ErrUnsupported) {
			k.log.Debug("rotating in this process", "reason", err)
			return k.rotate(ctx, n, valid)
		}
		rec, loadErr := k.load(ctx)
		if loadErr != nil {
			return nil, loadErr
		}
		h := k.publish(heldOf(rec))
		switch {
		case n.accepts(h):
			return h, nil
		case err != nil && errors.Is(err, ErrRescueUnreadable):
			return nil, err
		case rec.refused() != nil && (err != nil || !n.Force):
			return nil, rec.refused().err()
		case h.kept && n.Force, backoffLeft(rec, Need{}) > 0 && (err != nil || !n.Force):
			return nil, backoffError(rec)
		case err != nil:
			return nil, err
		}
		// Somebody else was at it, for something else or in vain: once more.
		if time.Since(began) > k.cfg.Patience {
			return nil, &RetryError{Err: fmt.Errorf("%w: other processes keep rotating this login", ErrBusy)}
		}
		if err := wait.Sleep(ctx, pause/2+mrand.N(pause)); err != nil {
			return nil, err
		}
	}
}

// load reads the record without a claim.
func (k *keeper) load(ctx context.Context) (*record, error) {
	data, err := k.loadBytes(ctx)
	if err != nil {
		return nil, err
	}
	return k.read(data)
}

// loadBytes returns nil where there is no record.
func (k *keeper) loadBytes(ctx context.Context) ([]byte, error) {
	data, err := k.cfg.Store.Load(ctx, k.cfg.Key)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	return data, err
}

// read decodes a record and refuses one that this Manager must not use.
func (k *keeper) read(data []byte) (*record, error) {
	if data == nil {
		return nil, k.noRecord()
	}
	rec, err := k.cfg.decode(data)
	if err != nil {
		return nil, fmt.Errorf("profile %q: %w", k.cfg.Key, err)
	}
	return k.usable(rec)
}

func (k *keeper) usable(rec *record) (*record, error) {
	switch {
	case rec.SignedOut != nil:
		return nil, k.signedOut()
	case rec.Issuer != k.provider.Issuer || rec.ClientID != k.provider.ClientID:
		return nil, fmt.Errorf("profile %q: %w: it is for client %s at %s, and you asked for %s at %s",
			k.cfg.Key, ErrOtherLogin, rec.ClientID, rec.Issuer, k.provider.ClientID, k.provider.Issuer)
	}
	return rec, nil
}

func (k *keeper) signedOut() error {
	return fmt.Errorf("profile %q: %w", k.cfg.Key, ErrSignedOut)
}

// heldOf makes a token of a record, with its dates moved to the local clock.
func heldOf(rec *record) *held {
	c := rec.credential()
	window := refreshWindow(c)
	skew := rec.skew()
	due := c.Expiry.Add(-window - skew).UnixNano()
	if time.Now().Add(skew + time.Minute).Before(c.LastRefresh) {
		due = 0 // the clock was set back: a refresh teaches us the issuer's
	}
	forced := int64(0)
	if !rec.ForcedAt.IsZero() {
		forced = rec.ForcedAt.UnixNano()
	}
	return &held{
		due: due, forced: forced,
		end:   c.Expiry.Add(-skew).UnixNano(),
		life:  c.Expiry.Sub(c.LastRefresh),
		unmet: time.Duration(rec.UnmetMS) * time.Millisecond,
		login: rec.Login,
		seq:   rec.Seq,
		kept:  rec.Backoff != nil && rec.Backoff.Status == http.StatusOK && rec.Note == nil,
		token: Token{AccessToken: c.AccessToken, AccountID: c.Account.ID, Expiry: c.Expiry, FedRAMP: c.Account.FedRAMP},
	}
}

// refreshWindow is how long before its end a token is due: five minutes, or a
// tenth of a life that is shorter than fifty.
func refreshWindow(c Credential) time.Duration {
	life := c.Expiry.Sub(c.LastRefresh)
	return max(min(5*time.Minute, life/10), 0)
}

// mayAsk returns why the server must not be asked about rec's refresh token.
func (k *keeper) mayAsk(rec *record, n Need) error {
	fingerprint := rec.fingerprint()
	k.mu.Lock()
	defer k.mu.Unlock()
	newest := rec.Seq
	if rec.Login == k.known.seenLogin {
		newest = max(newest, k.known.seenSeq)
	}
	if h := k.held.Load(); h != nil && h.login == rec.Login { // what this Manager saved itself counts, too
		newest = max(newest, h.seq)
	}
	if rec.Seq < newest {
		return fmt.Errorf("profile %q: the store went back from state %d to %d of this login (a restored backup or a fail-over): its refresh token is spent; bring the newer state back, or sign in again",
			k.cfg.Key, newest, rec.Seq)
	}
	k.known.seenLogin, k.known.seenSeq = rec.Login, rec.Seq
	switch f := rec.refused(); {
	case rec.Credential.RefreshToken == "":
		return &RefusedError{Refusal{Code: codeNoRefreshToken, Description: "the server granted no refresh token", At: rec.Credential.Expiry}}
	case f != nil && !n.Force:
		return f.err()
	case fingerprint == k.known.spent:
		return &RetryError{Err: &Error{Op: "refresh", Kind: ErrUnknownOutcome,
			Err: errors.New("the server accepted the refresh token and its answer was unreadable; this process does not send it again")}}
	case time.Since(rec.ForcedAt).Abs() < forcedInterval && n.onlyRefused(heldOf(rec)):
		return &RetryError{Err: errVain}
	}
	return nil
}

const codeNoRefreshToken = "no_refresh_token"

// rotate refreshes under a claim.
func (k *keeper) rotate(ctx context.Context, n Need, valid bool) (*held, error) {
	patience := k.cfg.Patience
	if n.AtOnce && valid {
		patience = 0
	}
	claim, h, err := k.claimOrAdopt(ctx, n, patience)
	if h != nil {
		return h, nil
	}
	if err != nil {
		return nil, k.claimFailed(err)
	}
	faultpoint.At(faultpoint.Claimed)
	return k.undertake(claim, func(hd *holding) (*held, error) { return hd.rotate(ctx, n) })
}

// rotate refreshes under the claim that hd holds.
func (hd *holding) rotate(ctx context.Context, n Need) (*held, error) {
	k := hd.k
	for range 3 {
		h, err := hd.rotateOnce(ctx, n)
		again := errors.Is(err, oauth.ErrFence) || errors.Is(err, ErrLost)
		if !again || errors.Is(err, ErrNotSaved) { // what is not saved was spent: never again
			return h, err
		}
		k.log.Debug("rotation starts again", "key", k.cfg.Key, "reason", err)
		if _, err := hd.claim.Reload(ctx); err != nil {
			return nil, err
		}
	}
	return nil, &RetryError{Err: errors.New("the store is too slow or changes too often to refresh safely; nothing was sent")}
}

func (k *keeper) claimFailed(err error) error {
	if k.ctx.Err() != nil {
		return ErrClosed
	}
	if errors.Is(err, ErrBusy) {
		return &RetryError{Err: err}
	}
	return err
}

func (k *keeper) release(claim Claim) {
	if err := claim.Release(); err != nil {
		k.log.Warn("releasing the claim", "key", k.cfg.Key, "error", err)
	}
	faultpoint.At(faultpoint.Released)
}

// rotateOnce is one rotation of the record that the claim read last.
func (hd *holding) rotateOnce(ctx context.Context, n Need) (*held, error) {
	k, claim := hd.k, hd.claim
	rec, err := k.read(claim.Record())
	if err != nil {
		return nil, err
	}
	if rec, err = k.pickUp(ctx, claim, rec, n.Force); err != nil {
		return nil, err
	}
	if h := k.publish(heldOf(rec)); n.accepts(h) {
		return h, nil // somebody else did it
	}
	if err := k.mayAsk(rec, n); err != nil {
		return nil, err
	}
	if backoffLeft(rec, n) > 0 {
		early := backoffError(rec)
		early.unasked = true
		return nil, early
	}
	if changed, err := k.outwait(ctx, claim, rec, n.Force); err != nil {
		return nil, err
	} else if changed {
		return hd.rotateOnce(ctx, n)
	}
	endpoints, err := k.discoverFor(ctx, rec) // before the note: it may take its time
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ErrClosed
	}
	return hd.spend(context.WithoutCancel(ctx), rec, endpoints, n)
}

// spend commits the note, sends the refresh token and settles what comes back.
// Whatever the save of the answer needs is taken before anything is sent.
func (hd *holding) spend(ctx context.Context, rec *record, endpoints oauth.Endpoints, n Need) (*held, error) {
	k, claim := hd.k, hd.claim
	start := k.boot()
	if err := hd.prepare(ctx, rec); err != nil {
		return nil, notWritable(err)
	}
	noted := *rec
	noted.Note = newNote(rand.Text(), rec.fingerprint(), time.Now())
	alive := k.witness()
	defer alive.Remove()
	noted.Note.Witness = alive.Path
	noted.Note.Places = directories(hd.shelters)
	if err := k.commit(ctx, claim, &noted); err != nil {
		return nil, notWritable(err)
	}
	faultpoint.At(faultpoint.NoteSaved)
	answer, err := hd.ask(ctx, &noted, func(request context.Context) (*oauth.Answer, error) {
		return k.oauthClient(endpoints).Refresh(request, rec.Credential.RefreshToken, func() error {
			if age := k.boot() - start; age > fence {
				return fmt.Errorf("the note was committed %v ago", age.Round(time.Second))
			}
			return nil
		})
	})
	if err != nil {
		return nil, k.failed(ctx, claim, rec, &noted, err)
	}
	return hd.succeeded(ctx, &noted, answer, n)
}

// outwait deals with the note of a refresh that somebody else began with this
// token. It reports whether the record changed meanwhile.
func (k *keeper) outwait(ctx context.Context, claim Claim, rec *record, force bool) (changed bool, err error) {
	n := rec.Note
	if n == nil || n.Token != rec.fingerprint() || !n.Ended.IsZero() || n.certainlyDead(k.oneMachine()) || n.ID == k.known.endedNote {
		return false, nil // nobody is waiting for an answer: one more try tells
	}
	now := k.boot()
	if k.known.noteID != n.ID {
		k.known.noteID, k.known.noteSeen = n.ID, now
	}
	over := k.known.noteSeen + fence + k.cfg.RequestTimeout + waitMargin
	for last := false; !last; {
		if n.certainlyDead(k.oneMachine()) {
			return false, nil
		}
		last = k.boot() >= over // one more look, after the wait
		if time.Now().UnixNano() < heldOf(rec).end {
			return false, &RetryError{Err: fmt.Errorf("%w: a refresh by %s may still be on its way", ErrBusy, n.attempt())}
		}
		if !last {
			if err := wait.Sleep(ctx, time.Second+mrand.N(time.Second)); err != nil {
				return false, err
			}
		}
		data, err := claim.Reload(ctx)
		if err != nil {
			return false, err
		}
		if cur, err := k.read(data); err != nil || !cur.same(rec) || cur.Note == nil || cur.Note.ID != n.ID {
			return true, nil
		}
		if next, err := k.pickUp(ctx, claim, rec, force); err != nil || next != rec {
			return true, err // the holder could not save, but it left a rescue file
		}
	}
	return false, nil
}
