package codexauth

import (
	"context"
	"errors"
	"fmt"
)

// A Sealer encrypts records at rest. It is applied in this package, above every
// store, so that a store only ever sees sealed bytes. Its methods may be called
// concurrently. Package seal has one on age.
type Sealer interface {
	// Format names the sealing in a record's first line: a short word.
	Format() string
	// Seal encrypts and authenticates plain.
	Seal(plain []byte) ([]byte, error)
	// Open undoes Seal. The error wraps ErrWrongKey if the key does not fit.
	Open(sealed []byte) ([]byte, error)
}

var (
	// ErrSealed: the record is sealed, and no key was given.
	ErrSealed = errors.New("the stored record is sealed")
	// ErrWrongKey: the record is sealed for another key.
	ErrWrongKey = errors.New("the record is sealed for another key")
	// ErrNotSealed: the record is plain, and its place is for sealed ones only.
	ErrNotSealed = errors.New("the record is not sealed")
)

// A strictSealer belongs to a place whose records are all sealed: a plain one was
// put there by somebody who did not know that, and is not quietly accepted.
type strictSealer interface{ SealedOnly() bool }

// encode writes a record as this Manager's configuration wants it stored.
func (c *Config) encode(r *record) ([]byte, error) {
	body, err := r.body()
	if err != nil || c.Sealer == nil {
		return frame(formatJSON, body), err
	}
	sealed, err := c.Sealer.Seal(body)
	if err != nil {
		return nil, fmt.Errorf("sealing the record: %w", err)
	}
	return frame(c.Sealer.Format(), sealed), nil
}

// decode reads a record, sealed or plain: a plain one is sealed when it is
// written next.
func (c *Config) decode(data []byte) (*record, error) {
	format, body, err := unframe(data)
	switch {
	case err != nil:
		return nil, err
	case format == formatJSON:
		if s, ok := c.Sealer.(strictSealer); ok && s.SealedOnly() {
			return nil, fmt.Errorf("%w, and this place keeps sealed ones only", ErrNotSealed)
		}
	case c.Sealer == nil:
		return nil, fmt.Errorf("%w (%s): give its key with --identity-file", ErrSealed, format)
	case format != c.Sealer.Format():
		return nil, fmt.Errorf("%w: with %s, and this key is for %s", ErrWrongKey, format, c.Sealer.Format())
	default:
		if body, err = c.Sealer.Open(body); err != nil {
			return nil, fmt.Errorf("opening the sealed record: %w", err)
		}
	}
	return parseRecord(c.Key, body)
}

// Sealed reports whether a stored record is sealed, without opening it.
func Sealed(data []byte) bool {
	format, _, err := unframe(data)
	return err == nil && format != formatJSON
}

// Reseal writes the record of key anew, opened with from and sealed with to;
// either may be nil, which means plain. It holds the claim meanwhile and changes
// nothing else of the record. to must not have opened anything before, even if
// it is for the same key. What waits in a rescue file is put into the store first;
// while a refresh has no known outcome the error wraps [ErrBusy], for its answer
// may yet come under the old key. Backups keep that one.
func Reseal(ctx context.Context, store Store, key string, from, to Sealer) error {
	claim, err := store.Claim(ctx, key)
	if err != nil {
		return err
	}
	defer claim.Release()
	if claim.Record() == nil {
		return fmt.Errorf("profile %q: %w", key, ErrNotFound)
	}
	before := Config{Key: key, Sealer: from}
	rec, err := before.decode(claim.Record())
	if err != nil {
		return fmt.Errorf("profile %q: %w", key, err)
	}
	if rec.SignedOut == nil {
		place := Place{Store: store, Sealer: from}
		if rec, err = place.settled(ctx, claim, rec); err != nil {
			return err
		}
	}
	after := Config{Key: key, Sealer: to}
	data, err := after.encode(rec)
	if err != nil {
		return err
	}
	if _, err := after.decode(data); err != nil { // before the old form is gone
		return fmt.Errorf("profile %q: the new seal can't be opened: %w", key, err)
	}
	return claim.Commit(ctx, data)
}
