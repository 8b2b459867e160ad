package aether

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"filippo.io/age"

	"codexauth/seal"
)

// intro begins every binary age file.
const intro = "age-encryption.org/v1\n"

// decrypt opens an age file with a passphrase, and tells the work factor with which
// it was written.
func decrypt(data, passphrase []byte) (plain []byte, workFactor int, err error) {
	key := &passphraseKey{passphrase: string(passphrase)}
	r, err := age.Decrypt(bytes.NewReader(data), key)
	if err == nil {
		plain, err = io.ReadAll(r)
	}
	switch {
	case err == nil:
		return plain, key.workFactor, nil
	case errors.Is(err, errWork):
		return nil, 0, fmt.Errorf("%w: %w", ErrForm, errWork)
	case errors.Is(err, age.ErrIncorrectIdentity) && key.asked:
		return nil, 0, seal.ErrPassphrase
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, 0, fmt.Errorf("%w: it is encrypted for a key, not with a passphrase", ErrForm)
	}
	return nil, 0, fmt.Errorf("%w: the sealed data was altered or cut short", ErrForm)
}

// encrypt writes an age file; a workFactor of 0 is age's default.
func encrypt(plain, passphrase []byte, workFactor int) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("%w: the passphrase is empty", seal.ErrIdentity)
	}
	if workFactor > 0 {
		recipient.SetWorkFactor(workFactor)
	}
	var data bytes.Buffer
	w, err := age.Encrypt(&data, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

var errWork = errors.New("its scrypt header is malformed, or asks for more work than is accepted")

// passphraseKey is an age identity that remembers what it has met.
type passphraseKey struct {
	passphrase string
	asked      bool // the file is encrypted with a passphrase
	workFactor int
}

// Unwrap implements age.Identity.
func (k *passphraseKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" {
		return nil, age.ErrIncorrectIdentity
	}
	k.asked = true
	id, err := age.NewScryptIdentity(k.passphrase)
	if err != nil {
		return nil, age.ErrIncorrectIdentity // an empty one opens nothing
	}
	fileKey, err := id.Unwrap(stanzas)
	if err != nil && !errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, errWork
	}
	if len(stanzas[0].Args) == 2 {
		k.workFactor, _ = strconv.Atoi(stanzas[0].Args[1]) // age has read it by now
	}
	return fileKey, err
}
