package codexauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/wait"
)

// keeper is the source of a Manager with a Store: it keeps the stored login alive.
type keeper struct {
	*Manager
	holding *holding // the rotation under way, which may outlive the flight that began it; guarded by mu
	known   known
}

// known is what only this process knows of the stored login; the goroutine that
// rotates uses it.
type known struct {
	spent     string // fingerprint of a refresh token that was accepted with an unreadable answer
	seenLogin string // the newest state seen: a store that goes back behind it was restored
	seenSeq   uint64
	noteID    string        // the foreign note being waited out
	noteSeen  time.Duration // when it was first read, by sinceBoot
	endedNote string        // our own last note that got no answer
}

// force rotates, unless somebody else begins and ends a rotation after the call.
func (k *keeper) force(ctx context.Context) (*held, error) {
	rec, err := k.loadArrived(ctx)
	if err != nil {
		return nil, err
	}
	n := need{Force: true, Login: rec.Login, Seq: rec.Seq}
	if h := k.held.Load(); h != nil && h.login == n.Login {
		n.Seq = max(n.Seq, h.seq) // the store may have gone back behind what we know
	}
	return k.obtain(ctx, n)
}

// pause: what a keeper waits for stands in its errors.
func (k *keeper) pause() int64 { return 0 }

// outlook is what a record means for a need.
type outlook struct {
	held *held         // the token at hand, after the record was read
	good bool          // it is what is needed
	stop error         // else: why the server must not be asked; nil if it may
	wait time.Duration // how long nobody should ask, even so
}

// look says what rec means for n, and makes its token the one at hand. It changes
// nothing else; what follows from it is each caller's own.
func (k *keeper) look(rec *record, n need) (o outlook) {
	o.held = k.publish(heldOf(rec))
	if o.good = n.accepts(o.held); !o.good {
		o.stop, o.wait = k.mayAsk(rec, n), backoffLeft(rec, n)
	}
	return o
}

// get gets a token that n accepts, and tells why it can't.
func (k *keeper) get(ctx context.Context, n need) (*held, error) {
	h, err := k.find(ctx, n)
	k.seen.failed(err)
	return h, err
}

// find gets a token that n accepts: from the store, else by a rotation.
func (k *keeper) find(ctx context.Context, n need) (*held, error) {
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
	for waited := false; ; {
		rec, err := k.loadArrived(ctx)
		if err != nil {
			return nil, err
		}
		o, hd := k.look(rec, n), k.underWay()
		valid := time.Now().UnixNano() < o.held.end
		switch {
		case o.good:
			return o.held, nil
		case n.onlyRefused(o.held) && !n.looked && !n.leased && !k.rejections.worthARefresh(o.held):
			return nil, &RetryError{Err: errVain}
		case hd != nil:
			if err := hd.rejoin(ctx); err != nil {
				return nil, err
			}
		case o.stop != nil && !k.rescued(rec): // a rotation would pick that up first
			return nil, o.stop
		case o.wait <= 0:
			return k.refresh(ctx, rec, n, valid)
		case waited || valid || o.wait > min(shortBackoff, k.cfg.Patience):
			return nil, backoffError(rec)
		default:
			k.log.Debug("waiting, as the last refresh failed", "key", k.cfg.Key, "for", o.wait, "reason", backoffError(rec))
			if err := wait.Sleep(ctx, o.wait); err != nil {
				return nil, err
			}
			waited = true // others waited too, and one of them asks: look again
		}
	}
}

// refresh rotates, here or in another process. valid: the present token has not
// ended.
func (k *keeper) refresh(ctx context.Context, rec *record, n need, valid bool) (*held, error) {
	if k.cfg.Delegate == nil {
		return k.rotate(ctx, n, valid)
	}
	_, n.Discovered = rec.endpoints(time.Now())
	return k.delegate(ctx, n, valid)
}

// mayAsk returns why the server must not be asked about rec's refresh token. Here
// a restored backup is noticed: it remembers the newest state.
func (k *keeper) mayAsk(rec *record, n need) error {
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
		return &RefusedError{Code: codeNoRefreshToken, Description: "the server granted no refresh token", At: rec.Credential.Expiry}
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
	if err != nil && ctx.Err() == nil {
		k.seen.cantRead(err)
	}
	return data, err
}

// read decodes a record and refuses one that this Manager must not use.
func (k *keeper) read(data []byte) (*record, error) {
	if data == nil {
		err := k.noRecord()
		k.seen.gone(err)
		return nil, err
	}
	rec, err := k.cfg.decode(data)
	if err != nil {
		k.seen.cantRead(err)
		return nil, fmt.Errorf("profile %q: %w", k.cfg.Key, err)
	}
	usable, err := k.usable(rec)
	if err == nil || rec.SignedOut != nil {
		k.seen.saw(rec, false)
	}
	return usable, err
}

func (k *keeper) usable(rec *record) (*record, error) {
	switch {
	case rec.SignedOut != nil:
		return nil, k.cfg.ended(rec)
	case rec.Issuer != k.provider.Issuer || rec.ClientID != k.provider.ClientID:
		return nil, fmt.Errorf("profile %q: %w: it is for client %s at %s, and you asked for %s at %s",
			k.cfg.Key, ErrOtherLogin, rec.ClientID, rec.Issuer, k.provider.ClientID, k.provider.Issuer)
	}
	return rec, nil
}

func (k *keeper) signedOut() error {
	return fmt.Errorf("profile %q: %w", k.cfg.Key, ErrSignedOut)
}
