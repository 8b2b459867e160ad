package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
)

// stanzaKey is the type of the header stanza that holds a wrapped identity.
const stanzaKey = "codexauth-key"

// maxOpened bounds the envelopes that a Sealer remembers.
const maxOpened = 64

// envelope stands between a slow key and the records: a hybrid identity, and an
// age file that holds its text, wrapped with the slow key. As a recipient it
// seals for the identity and puts the wrapped text beside that.
type envelope struct {
	key     *age.HybridIdentity
	wrapped []byte
}

// newEnvelope makes an identity and wraps it with the slow key.
func (s *Sealer) newEnvelope(r *ring) (*envelope, error) {
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, err
	}
	wrapped, err := s.encrypt([]byte(key.String()), r.recipients)
	if err != nil {
		return nil, err
	}
	return &envelope{key, wrapped}, nil
}

// Wrap implements age.Recipient.
func (e *envelope) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, _, err := e.WrapWithLabels(fileKey)
	return stanzas, err
}

// WrapWithLabels implements age.RecipientWithLabels.
func (e *envelope) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	stanzas, labels, err := e.key.Recipient().WrapWithLabels(fileKey)
	return append(stanzas, &age.Stanza{Type: stanzaKey, Body: e.wrapped}), labels, err
}

// envelope returns what the slow ring r seals with: one is made at the first use.
func (s *Sealer) envelope(r *ring) (*envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own != nil {
		return s.own, nil
	}
	own, err := s.newEnvelope(r)
	if err != nil {
		return nil, err
	}
	s.keep(own)
	s.own = own
	return own, nil
}

// keep remembers an envelope. The caller holds s.mu, or nobody else has s yet.
func (s *Sealer) keep(e *envelope) {
	if len(s.opened) >= maxOpened || s.opened == nil {
		s.opened = map[[sha256.Size]byte]*envelope{}
		if s.own != nil {
			s.opened[sha256.Sum256(s.own.wrapped)] = s.own
		}
	}
	s.opened[sha256.Sum256(e.wrapped)] = e
}

// opener is a ring as one age identity that knows envelopes.
type opener struct {
	s *Sealer
	r *ring
}

// Unwrap implements age.Identity.
func (o opener) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, stanza := range stanzas {
		if stanza.Type == stanzaKey {
			e, err := o.s.openEnvelope(o.r, stanza.Body)
			if err != nil {
				return nil, err
			}
			fileKey, err := e.key.Unwrap(stanzas)
			if err != nil { // it fits what is beside it, or that was altered
				return nil, &keyError{altered("the keys in its header do not belong together")}
			}
			return fileKey, nil
		}
	}
	if o.r.slow { // a plugin is used by one at a time
		o.s.mu.Lock()
		defer o.s.mu.Unlock()
	}
	return o.r.Unwrap(stanzas)
}

// openEnvelope unwraps the identity of a record, unless it is known.
func (s *Sealer) openEnvelope(r *ring, wrapped []byte) (*envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.opened[sha256.Sum256(wrapped)]; e != nil {
		return e, nil
	}
	text, err := decrypt(wrapped, r)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, err
	} else if err != nil {
		return nil, &keyError{err}
	}
	key, err := age.ParseHybridIdentity(string(text))
	if err != nil {
		return nil, &keyError{altered("the key in its header is malformed")}
	}
	e := &envelope{key, bytes.Clone(wrapped)}
	s.keep(e)
	if r.secret && s.own == nil {
		s.own = e
	}
	return e, nil
}

// Unwrap tries one identity after the other.
func (r *ring) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(r.identities) == 0 {
		return nil, &keyError{fmt.Errorf("%w: the record was sealed again after the key was handed over; try again", ErrIdentity)}
	}
	for _, id := range r.identities {
		fileKey, err := id.Unwrap(stanzas)
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			return fileKey, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// handoverMark begins the comment that holds what wraps the identity of the next
// line.
const handoverMark = "# " + stanzaKey + ": "

// Handover returns the key as the text of an age identity file with which
// [Identities], in another process of this program, makes a Sealer that needs
// neither passphrase, plugin nor person. It is a secret: give it to a pipe, not
// to a file or an argument. Where the key is slow it opens only records that
// this Sealer has opened or could have sealed. Handover may ask a person if
// nothing was opened or sealed before.
func (s *Sealer) Handover() ([]byte, error) {
	r, err := s.load(false)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if !r.slow {
		for _, id := range r.identities {
			fmt.Fprintln(&text, id)
		}
		return []byte(text.String()), nil
	}
	own, err := s.envelope(r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own.handOver(&text)
	for _, e := range s.opened {
		if e != own {
			e.handOver(&text)
		}
	}
	return []byte(text.String()), nil
}

func (e *envelope) handOver(text *strings.Builder) {
	fmt.Fprintf(text, "%s%s\n%s\n", handoverMark, base64.StdEncoding.EncodeToString(e.wrapped), e.key)
}
