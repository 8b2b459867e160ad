package codexauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A code is redeemed once, as a refresh token is. So a sign-in is announced in the
// record before: that proves, on any store, that the record can be written, and it
// says which login is on its way. If the store does not take that login afterwards, it
// goes to rescue files, and whoever finds the announcement and such a file puts it in.
// Whatever else is stored meanwhile (another sign-in, a sign-out) announces nothing,
// and the file is no longer for this record.

// arrival announces a login.
type arrival struct {
	Login  string    `json:"login"`
	Since  time.Time `json:"since"`
	Places []string  `json:"places,omitempty"` // of its rescue files, by the HOME and TMPDIR of who signs in

	unknown unknown
}

// arrivingError is ErrSignedOut where a first login was announced.
type arrivingError struct{ key string }

func (e *arrivingError) Error() string { return fmt.Sprintf("profile %q: %v", e.key, ErrSignedOut) }

func (e *arrivingError) Is(target error) bool { return target == ErrSignedOut }

// announcement is what is stored, with a login announced in it. Where nothing is
// stored it is a tombstone of nobody. It is nil for what can't be read, which may be
// all that is left of somebody's login.
func (k *keeper) announcement(data []byte, a *arrival) *record {
	now := &record{
		Key: k.cfg.Key, Login: rand.Text(), Issuer: k.provider.Issuer, ClientID: k.provider.ClientID,
		SignedOut: &tombstone{At: time.Now().UTC()},
	}
	if data != nil {
		var err error
		if now, err = k.cfg.decode(data); err != nil {
			return nil
		}
	}
	now.Arriving = a
	return now
}

// announce stores the announcement of a, unless what is there can't be read. It sees to
// it that the record is one that may be replaced, and returns that.
func (k *keeper) announce(ctx context.Context, claim Claim, a *arrival, o SignInOptions) (old *record, announced bool, err error) {
	for range 3 {
		if err = k.arrive(ctx, claim); err != nil && !errors.Is(err, ErrRescueUnreadable) { // that one is given up
			return nil, false, err
		}
		before := claim.Record()
		if old, err = k.replaceable(before, o); err != nil {
			return nil, false, err
		}
		rec := k.announcement(before, a)
		if rec == nil {
			return old, false, nil
		}
		if err = k.commitQuietly(ctx, claim, rec); !errors.Is(err, ErrLost) {
			return old, err == nil, err
		}
		if _, err := k.reload(ctx, claim); err != nil {
			return nil, false, err
		}
	}
	return nil, false, err
}

// commitQuietly commits what is no news to anybody.
func (k *keeper) commitQuietly(ctx context.Context, claim Claim, rec *record) error {
	data, err := k.cfg.encode(rec)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	return claim.Commit(ctx, data)
}

// unannounce takes an announcement back: the login did not come. If it can't be, it
// stands there and means nothing.
func (k *keeper) unannounce(ctx context.Context, claim Claim, a *arrival) {
	rec, err := k.decodeStored(claim.Record(), nil)
	if err != nil || rec.Arriving == nil || rec.Arriving.Login != a.Login {
		return
	}
	rec.Arriving = nil
	if rec.Seq == 0 { // there was nothing before
		ctx, cancel := context.WithTimeout(ctx, commitTimeout)
		defer cancel()
		err = claim.Delete(ctx)
	} else {
		err = k.commitQuietly(ctx, claim, rec)
	}
	if err != nil {
		k.log.Debug("taking the announcement of a sign-in back", "key", k.cfg.Key, "error", err)
	}
}

// settleArrival makes the login of a sign-in durable in place of whatever is there:
// the newest sign-in wins. If the store does not take it, it goes to rescue files
// first, where it stays if that goes on. before is what was replaced.
func (k *keeper) settleArrival(ctx context.Context, claim Claim, rec *record, shelters []*shelter, announced bool) (before []byte, rescued string, err error) {
	s := &saving{k: k, next: rec, shelters: shelters}
	_, err = k.replaceOr(ctx, claim, errNotTaken, func(data []byte) (*record, error) {
		before = data
		return rec, nil
	}, s.spill)
	if err == nil {
		k.unspill(s.rescue)
		return before, "", nil
	}
	if len(s.rescue) > 0 && announced && k.stillAnnounced(ctx, claim, rec.Login) {
		return before, s.rescue[0], s.notSaved(err)
	}
	k.unspill(s.rescue)
	return before, "", fmt.Errorf("%w: %w", ErrNotSaved, err)
}

var errNotTaken = errors.New("the store does not take the login")

// stillAnnounced reports whether a login that was announced is so still, as far as is
// known: a record that is gone may be one whose volume is.
func (k *keeper) stillAnnounced(ctx context.Context, claim Claim, login string) bool {
	data, err := k.reload(ctx, claim)
	if err != nil || data == nil {
		return true
	}
	rec, err := k.cfg.decode(data)
	return err == nil && rec.Arriving != nil && rec.Arriving.Login == login
}

// arrivalFiles are the rescue files of the login that rec announces.
func (k *keeper) arrivalFiles(rec *record) (files []rescueFile) {
	if rec.Arriving == nil {
		return nil
	}
	all, _ := k.rescueFiles(rec)
	return slices.DeleteFunc(all, func(f rescueFile) bool { return f.login != hashed(rec.Arriving.Login) })
}

// loadArrived is load, once a login that waits for this record is put into it. The
// sign-in itself may still be trying to: then what is there is good enough.
func (k *keeper) loadArrived(ctx context.Context) (*record, error) {
	data, err := k.loadBytes(ctx)
	if err != nil {
		return nil, err
	}
	rec, err := k.read(data)
	var first *arrivingError
	switch {
	case err == nil && len(k.arrivalFiles(rec)) > 0:
	case errors.As(err, &first):
		if rec, derr := k.cfg.decode(data); derr != nil || len(k.arrivalFiles(rec)) == 0 {
			return nil, err
		}
	default:
		return rec, err
	}
	claim, claimErr := k.claimAtOnce(ctx)
	if claimErr != nil {
		return rec, err
	}
	defer k.release(claim)
	if arriveErr := k.arrive(ctx, claim); arriveErr != nil {
		k.log.Warn("a login that waits for its store could not be put into it", "key", k.cfg.Key, "error", arriveErr)
		if err != nil {
			err = arriveErr
		}
		return rec, err
	}
	return k.read(claim.Record())
}

// arrive puts the login that the claimed record announces into its place, if it waits
// in a rescue file. What it takes the place of is treated as at its sign-in.
func (k *keeper) arrive(ctx context.Context, claim Claim) error {
	before := claim.Record()
	old, err := k.decodeStored(before, nil)
	if err != nil {
		return nil // whoever claimed it finds that out
	}
	var next *record
	var unread error
	files := k.arrivalFiles(old)
	for _, f := range files {
		rec, err := k.readRescue(f.path)
		switch {
		case err != nil:
			unread = unreadable(inFile(f.path, err))
		case rec.Login == old.Arriving.Login && rec.Issuer == k.provider.Issuer && rec.ClientID == k.provider.ClientID:
			next = rec // else whoever asks for it, with that provider, puts it in
		}
	}
	switch {
	case next == nil && unread != nil && old.SignedOut != nil:
		return fmt.Errorf("profile %q: %w", k.cfg.Key, unread)
	case next == nil:
		return nil
	}
	if err := k.commit(ctx, claim, next); err != nil {
		return fmt.Errorf("a login waits in %s, and the store does not take it: %w", files[0].path, err)
	}
	k.log.Warn("a rescued sign-in was put into the store", "key", k.cfg.Key)
	replaced := k.replacedLogin(before)
	k.adoptLogin(old, next)
	k.farewell(ctx, replaced, next, nil)
	return nil
}
