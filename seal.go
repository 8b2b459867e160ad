package codexauth

import (
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
