package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"

	"codexauth"
)

var (
	// ErrIdentity: the key can't be used as it is (its file is missing, open to
	// others or unreadable, or its plugin is missing or failed).
	ErrIdentity = errors.New("the identity can't be used")
	// ErrPassphrase: a file is encrypted with another passphrase.
	ErrPassphrase = errors.New("the passphrase is wrong")
	// ErrNeedsTerminal: the key wants to ask a person, and there is nobody to ask.
	ErrNeedsTerminal = errors.New("there is no terminal to ask at")
)

const intro = "age-encryption.org/v1\n"

// A Sealer seals records with one key. Any number of goroutines and Managers may
// use it. It reads its key at the first use and keeps it in memory; what failed
// is tried again at the next use. While a person is asked, or a plugin waits for
// a touch, other users of the Sealer wait.
type Sealer struct {
	name   string // what errors call the key
	read   func(sealing bool) (*ring, error)
	strict bool // see SealedOnly

	mu     sync.Mutex
	ring   *ring                           // nil until it is read
	own    *envelope                       // what a slow ring seals with
	opened map[[sha256.Size]byte]*envelope // those met, by the hash of what is wrapped
}

var _ codexauth.Sealer = (*Sealer)(nil)

// ring is a key, ready for use.
type ring struct {
	identities []age.Identity // the native ones first
	recipients []age.Recipient
	// slow: using it may take seconds, or a person.
	slow bool
	// secret: only its holders can seal for it, so that what it opens is theirs.
	secret bool
	// envelopes were handed over by a Sealer that had the key itself.
	envelopes []*envelope
}

// keyError marks what is wrong with the key rather than with the sealed bytes,
// on its way through package age.
type keyError struct{ error }

func (e *keyError) Unwrap() error { return e.error }

// altered is what is wrong with sealed bytes that no key can open.
type altered string

func (a altered) Error() string { return string(a) }

// Format returns "age".
func (s *Sealer) Format() string { return "age" }

// SealedOnly reports whether a plain record is refused where this Sealer is used,
// instead of being read and sealed when it is written next.
func (s *Sealer) SealedOnly() bool { return s.strict }

// String names the key and does not show it.
func (s *Sealer) String() string { return s.name }

// GoString is String, so that no verb of fmt shows what is inside.
func (s *Sealer) GoString() string { return s.name }

// Seal encrypts plain for every recipient of the key. Under a slow key the first
// call may ask a person or run a plugin; later ones can't fail for its sake.
func (s *Sealer) Seal(plain []byte) ([]byte, error) {
	r, err := s.load(true)
	if err != nil {
		return nil, err
	}
	recipients := r.recipients
	if r.slow {
		own, err := s.envelope(r)
		if err != nil {
			return nil, err
		}
		recipients = []age.Recipient{own}
	}
	return s.encrypt(plain, recipients)
}

func (s *Sealer) encrypt(plain []byte, recipients []age.Recipient) ([]byte, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipients...)
	var key *keyError
	switch {
	case errors.As(err, &key):
		return nil, key.error
	case err != nil: // recipients that age does not let be mixed
		return nil, fmt.Errorf("%w: %s: %v", ErrIdentity, s.name, err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

// Open decrypts what Seal made. The error wraps [codexauth.ErrWrongKey] if the
// key does not fit (or the header was tampered with just where the key is
// wrapped: age can't tell), [codexauth.ErrDamaged] if the bytes were altered or
// cut short, and otherwise says what is wrong with the key.
func (s *Sealer) Open(sealed []byte) ([]byte, error) {
	r, err := s.load(false)
	if err != nil {
		return nil, err
	}
	plain, err := decrypt(sealed, opener{s, r})
	var bad altered
	switch {
	case errors.Is(err, age.ErrIncorrectIdentity):
		s.forgetUnproven()
		return nil, fmt.Errorf("%w: %s does not open it", codexauth.ErrWrongKey, s.name)
	case errors.As(err, &bad):
		return nil, fmt.Errorf("%w: %w", codexauth.ErrDamaged, bad)
	}
	return plain, err
}

// decrypt opens an age file. Its error is age.ErrIncorrectIdentity, an altered,
// or what a keyError holds. Nothing of age's own words is kept: they quote lines
// of what was read.
func decrypt(sealed []byte, id age.Identity) ([]byte, error) {
	if !bytes.HasPrefix(sealed, []byte(intro)) {
		return nil, altered("it does not begin like an age file")
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(r)
	}
	var key *keyError
	switch {
	case err == nil:
		return plain, nil
	case errors.As(err, &key):
		return nil, key.error
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, age.ErrIncorrectIdentity
	}
	return nil, altered("the sealed data was altered or cut short")
}

// load reads the key, unless it is there. sealing says that something new is
// about to be sealed.
func (s *Sealer) load(sealing bool) (*ring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring != nil {
		return s.ring, nil
	}
	r, err := s.read(sealing)
	if err != nil {
		return nil, err
	}
	for _, e := range r.envelopes {
		s.keep(e)
	}
	if len(r.envelopes) > 0 {
		s.own = r.envelopes[0]
	}
	s.ring = r
	return r, nil
}

// forgetUnproven drops a passphrase that has opened nothing yet, so that a person
// who mistyped it is asked again.
func (s *Sealer) forgetUnproven() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ring != nil && s.ring.secret && len(s.opened) == 0 {
		s.ring = nil
	}
}
