package codexauth

import "errors"

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
