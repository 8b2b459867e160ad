package seal

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"filippo.io/age"

	"codexauth"
)

// wrappedIn returns the wrapped identity in a record's header, or nil.
func wrappedIn(t *testing.T, sealed []byte) (wrapped []byte) {
	t.Helper()
	_, err := age.Decrypt(bytes.NewReader(sealed), stanzas(func(all []*age.Stanza) {
		for _, s := range all {
			if s.Type == stanzaKey {
				wrapped = s.Body
			}
		}
	}))
	if err == nil {
		t.Fatal("opened without a key")
	}
	return wrapped
}

// stanzas is an identity that only looks.
type stanzas func([]*age.Stanza)

func (f stanzas) Unwrap(all []*age.Stanza) ([]byte, error) {
	f(all)
	return nil, age.ErrIncorrectIdentity
}

func TestPassphrase(t *testing.T) {
	first := quick("a passphrase")
	one := mustSeal(t, first, plain)
	two := mustSeal(t, first, plain)
	if w := wrappedIn(t, one); w == nil || !bytes.Equal(w, wrappedIn(t, two)) {
		t.Error("scrypt ran for each record")
	}
	// Another process opens it, and goes on with the identity that it found.
	second := quick("a passphrase")
	mustOpen(t, second, one, plain)
	three := mustSeal(t, second, "more")
	if !bytes.Equal(wrappedIn(t, one), wrappedIn(t, three)) {
		t.Error("a second process wrapped an identity of its own")
	}
	mustOpen(t, first, three, "more")
	if len(first.opened) != 1 || len(second.opened) != 1 {
		t.Errorf("%d and %d identities were unwrapped", len(first.opened), len(second.opened))
	}
	_, err := quick("A passphrase").Open(one)
	wantErr(t, err, codexauth.ErrWrongKey, "passphrase")
	_, err = openFile(t, keyFile(t, classicLine(t)), UI{}).Open(one)
	wantErr(t, err, codexauth.ErrWrongKey, "key.txt")
	_, err = quick("a passphrase").Open(mustSeal(t, openFile(t, keyFile(t, classicLine(t)), UI{}), plain))
	wantErr(t, err, codexauth.ErrWrongKey)
}

func TestRecordOfTheAgeProgramOpensByPassphrase(t *testing.T) {
	mustOpen(t, quick("a passphrase"), encrypted(t, plain, "a passphrase"), plain)
}

func TestEmptyPassphrase(t *testing.T) {
	_, err := Passphrase(nil)
	wantErr(t, err, ErrIdentity, "empty")
	_, err = Prompt(UI{Passphrase: func(string, bool) ([]byte, error) { return nil, nil }}).Seal(nil)
	wantErr(t, err, ErrIdentity, "empty")
}

func TestPassphraseIsCopied(t *testing.T) {
	word := []byte("a passphrase")
	s, err := Passphrase(word)
	if err != nil {
		t.Fatal(err)
	}
	clear(word)
	mustOpen(t, s, encrypted(t, plain, "a passphrase"), plain)
}

// Whoever can write to the store must not make a process spend minutes and
// gigabytes.
func TestTooMuchWorkIsRefused(t *testing.T) {
	sealed := encrypted(t, plain, "a passphrase")
	line, _, _ := bytes.Cut(sealed[len(intro):], []byte("\n"))
	stanza, ok := strings.CutSuffix(string(line), " 4")
	if !ok {
		t.Fatal("the work factor was not found")
	}
	greedy := bytes.Replace(sealed, line, []byte(stanza+" 21"), 1)
	_, err := quick("a passphrase").Open(greedy)
	wantErr(t, err, codexauth.ErrDamaged, "work")
}

func TestPrompt(t *testing.T) {
	var confirmed []bool
	answer := "right"
	ui := UI{Passphrase: func(what string, confirm bool) ([]byte, error) {
		if what != "the store" {
			t.Errorf("asked for %q", what)
		}
		confirmed = append(confirmed, confirm)
		return []byte(answer), nil
	}}
	sealed := mustSeal(t, quick("right"), plain)
	answer = "wrong"
	s := Prompt(ui)
	_, err := s.Open(sealed)
	wantErr(t, err, codexauth.ErrWrongKey)
	answer = "right"
	mustOpen(t, s, sealed, plain) // asks again
	mustSeal(t, s, plain)
	if len(confirmed) != 2 || confirmed[0] || confirmed[1] {
		t.Errorf("asked with confirm %v", confirmed)
	}
	// What opened something is not forgotten because something else is foreign.
	_, err = s.Open(mustSeal(t, quick("other"), plain))
	wantErr(t, err, codexauth.ErrWrongKey)
	mustOpen(t, s, sealed, plain)
	if len(confirmed) != 2 {
		t.Error("asked again")
	}
	// A new login by a new passphrase is confirmed.
	confirmed = nil
	fresh := byPassphrase(func(sealing bool) ([]byte, error) { return ui.passphrase("the store", sealing) }, 4)
	mustSeal(t, fresh, plain)
	if len(confirmed) != 1 || !confirmed[0] {
		t.Errorf("asked with confirm %v", confirmed)
	}
	_, err = Prompt(UI{}).Open(sealed)
	wantErr(t, err, ErrNeedsTerminal, "the store")
}

func handover(t *testing.T, s *Sealer) *Sealer {
	t.Helper()
	text, err := s.Handover()
	if err != nil {
		t.Fatal(err)
	}
	child, err := Identities(bytes.NewReader(text), "the parent's pipe", UI{})
	if err != nil {
		t.Fatal(err)
	}
	return child
}

func TestHandover(t *testing.T) {
	foreign := mustSeal(t, quick("a passphrase"), "foreign")
	parent := quick("a passphrase")
	sealed := mustSeal(t, parent, plain)
	mustOpen(t, parent, foreign, "foreign")
	child := handover(t, parent)
	mustOpen(t, child, sealed, plain)
	mustOpen(t, child, foreign, "foreign")
	answer := mustSeal(t, child, "more")
	if !bytes.Equal(wrappedIn(t, sealed), wrappedIn(t, answer)) {
		t.Error("the child seals with another identity")
	}
	mustOpen(t, quick("a passphrase"), answer, "more")
	mustOpen(t, handover(t, child), answer, "more") // and on
	_, err := child.Open(mustSeal(t, quick("a passphrase"), plain))
	wantErr(t, err, ErrIdentity, "try again")

	path := keyFile(t, hybridLine(t), hybridLine(t))
	native := openFile(t, path, UI{})
	answer = mustSeal(t, handover(t, native), "more")
	mustOpen(t, native, answer, "more")
	text, err := native.Handover()
	if err != nil || strings.Count(string(text), "AGE-SECRET-KEY-PQ-1") != 2 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

func TestEnvelopesAreBounded(t *testing.T) {
	s := quick("a passphrase")
	sealed := mustSeal(t, s, plain)
	for range maxOpened + 5 {
		mustOpen(t, s, mustSeal(t, quick("a passphrase"), "other"), "other")
	}
	if len(s.opened) > maxOpened {
		t.Errorf("%d envelopes are kept", len(s.opened))
	}
	if s.opened[sha256.Sum256(wrappedIn(t, sealed))] != s.own {
		t.Error("it forgot its own")
	}
	mustOpen(t, s, mustSeal(t, s, plain), plain)
}
