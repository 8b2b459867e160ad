package seal

import (
	"bytes"
	"errors"
	"fmt"

	"filippo.io/age"
)

// maxWorkFactor is how much scrypt a record may ask for, as a power of two: 2^20
// takes 1 GiB and some 3 s. age's default is 2^18. Whoever can write to the
// store chooses the factor, and 2^22 would take 4 GiB.
const maxWorkFactor = 20

// Passphrase returns a Sealer whose key is a passphrase, which is copied. age
// stretches it with scrypt, which takes 0.6 to 1 s and 256 MiB: once in the life
// of the Sealer, and not for every record (see the package's comment on costs).
// The error wraps [ErrIdentity] if the passphrase is empty.
func Passphrase(passphrase []byte) (*Sealer, error) {
	if len(passphrase) == 0 {
		return nil, fmt.Errorf("%w: the passphrase is empty", ErrIdentity)
	}
	kept := bytes.Clone(passphrase)
	return byPassphrase(func(bool) ([]byte, error) { return kept, nil }, 0), nil
}

// Prompt is Passphrase with one that the UI is asked for at the first use: for
// "the store", and with confirmation if a login is about to be sealed with it and
// none was opened. A passphrase that opened nothing is asked for again at the
// next use.
func Prompt(ui UI) *Sealer {
	return byPassphrase(func(sealing bool) ([]byte, error) { return ui.passphrase("the store", sealing) }, 0)
}

// byPassphrase wraps with scrypt of 2^workFactor rounds; 0 is age's default.
func byPassphrase(ask func(sealing bool) ([]byte, error), workFactor int) *Sealer {
	read := func(sealing bool) (*ring, error) {
		passphrase, err := ask(sealing)
		if err != nil {
			return nil, err
		}
		recipient, err := scryptRecipient(passphrase, workFactor)
		if err != nil {
			return nil, err
		}
		id := &scryptKey{ask: func() ([]byte, error) { return passphrase, nil }, max: maxWorkFactor}
		return &ring{
			identities: []age.Identity{id},
			recipients: []age.Recipient{recipient},
			slow:       true,
			secret:     true,
		}, nil
	}
	return &Sealer{name: "this passphrase", read: read}
}

func scryptRecipient(passphrase []byte, workFactor int) (*age.ScryptRecipient, error) {
	recipient, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("%w: the passphrase is empty", ErrIdentity)
	}
	if workFactor > 0 {
		recipient.SetWorkFactor(workFactor)
	}
	return recipient, nil
}

// scryptKey is an age identity that asks for a passphrase only when a file is
// encrypted with one.
type scryptKey struct {
	ask   func() ([]byte, error)
	max   int // the greatest work factor; 0 is age's own limit
	asked bool
}

// Unwrap implements age.Identity.
func (k *scryptKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" {
		return nil, age.ErrIncorrectIdentity
	}
	passphrase, err := k.ask()
	if err != nil {
		return nil, &keyError{err}
	}
	k.asked = true
	id, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return nil, age.ErrIncorrectIdentity // an empty one opens nothing
	}
	if k.max > 0 {
		id.SetMaxWorkFactor(k.max)
	}
	fileKey, err := id.Unwrap(stanzas)
	if err != nil && !errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, &keyError{altered("its scrypt header is malformed, or asks for more work than is accepted")}
	}
	return fileKey, err
}
