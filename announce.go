package codexauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// mostAnnounced is how many events a record remembers to have been announced.
const mostAnnounced = 16

// id names an event alike in every process that learns of it. A login that can't be
// refreshed is one event, however often that is tried, and until it can.
func (e Event) id() string {
	what := string(e.Kind)
	switch {
	case e.Kind == EventBackingOff, e.Kind == EventUnknownOutcome:
		what = "failing"
	case e.Recovered:
		what = "recovered"
	case e.Kind == EventStoreAway, e.Kind == EventStoreBack:
		what += e.At.UTC().String() // there is no telling whether others see the same
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d", what, e.Key, e.Login, e.Seq))
	return hex.EncodeToString(sum[:10])
}

// Announce reports whether the caller is the one who should tell people of e: of all
// Managers, processes and machines that share the login, the first to ask about an
// e.ID. That is noted with the record, under a claim, before Announce returns: a
// program that dies between that and its telling leaves the event untold, and the
// login's state for the next one to see. With an error, true says that the note may
// have been kept all the same.
func (m *Manager) Announce(ctx context.Context, e Event) (first bool, err error) {
	k, err := m.kept()
	if err != nil {
		return false, err
	}
	if rec, err := k.decodeStored(k.loadBytes(ctx)); err == nil && slices.Contains(rec.Announced, e.ID) {
		return false, nil
	}
	claim, err := k.claim(ctx)
	if err != nil {
		return false, err
	}
	defer k.release(claim)
	rec, err := k.decodeStored(claim.Record(), nil)
	if err != nil || slices.Contains(rec.Announced, e.ID) {
		return false, err
	}
	rec.Announced = append([]string{e.ID}, rec.Announced...)
	rec.Announced = rec.Announced[:min(len(rec.Announced), mostAnnounced)]
	data, err := k.cfg.encode(rec)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	return true, claim.Commit(ctx, data)
}

// decodeStored is decode where there may be no record.
func (k *keeper) decodeStored(data []byte, err error) (*record, error) {
	switch {
	case err != nil:
		return nil, err
	case data == nil:
		return nil, k.signedOut()
	}
	return k.cfg.decode(data)
}
