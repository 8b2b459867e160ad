package codexauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/frame"
	"codexauth/store/memory"
)

// toySealer stands for a real one: what it seals is not readable, and another
// key does not open it.
type toySealer struct{ key byte }

func (toySealer) Format() string { return "toy" }

func (s toySealer) Seal(plain []byte) ([]byte, error) {
	sealed := []byte{s.key}
	for _, b := range plain {
		sealed = append(sealed, b^s.key)
	}
	return sealed, nil
}

func (s toySealer) Open(sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != s.key {
		return nil, fmt.Errorf("%w: a toy", codexauth.ErrWrongKey)
	}
	plain, err := s.Seal(sealed[1:])
	return plain[1:], err
}

// brokenSealer has lost its key.
type brokenSealer struct{ toySealer }

var errKeyGone = errors.New("the key is gone")

func (brokenSealer) Seal([]byte) ([]byte, error) { return nil, errKeyGone }

// strictSealer is for a place without plain records.
type strictSealer struct{ toySealer }

func (strictSealer) SealedOnly() bool { return true }

// A code or a login that could not be saved is not taken from whoever has it.
func TestNothingIsTakenThatCannotBeSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := newManager(t, s, store, func(c *codexauth.Config) { c.Sealer = brokenSealer{} })
		start := time.Now()
		_, err := m.SignIn(t.Context(), codexauth.Grant{Code: "c", RedirectURI: "http://localhost:1455/auth/callback", Verifier: "v"}, codexauth.SignInOptions{})
		wantErr(t, err, errKeyGone)
		_, err = m.Import(t.Context(), foreign(s, "rt-0"), codexauth.SignInOptions{})
		wantErr(t, err, errKeyGone)
		if s.exchange != 0 {
			t.Error("the code was redeemed")
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it was tried for %v", took)
		}
		_, err = store.Load(t.Context(), codexauth.DefaultKey)
		wantErr(t, err, codexauth.ErrNotFound)
	})
}

func TestPlainRecordAtASealedPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		strict := func(c *codexauth.Config) { c.Sealer = strictSealer{toySealer{1}} }
		_, err := newManager(t, s, store, strict).Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSealed)
		if err := (codexauth.Place{Store: store}).Reseal(t.Context(), strictSealer{toySealer{1}}); err != nil {
			t.Fatal(err)
		}
		mustToken(t, newManager(t, s, store, strict))
	})
}

func TestReseal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		token := mustToken(t, signIn(t, s, store))
		with := func(sealer codexauth.Sealer) *codexauth.Manager {
			return newManager(t, s, store, func(c *codexauth.Config) { c.Sealer = sealer })
		}
		reseal := func(from, to codexauth.Sealer) error {
			return codexauth.Place{Store: store, Sealer: from}.Reseal(t.Context(), to)
		}
		one, two := toySealer{1}, toySealer{2}
		if err := reseal(nil, one); err != nil {
			t.Fatal(err)
		}
		if data, _ := store.Load(t.Context(), codexauth.DefaultKey); bytes.Contains(data, []byte("rt-")) || !frame.Sealed(data) {
			t.Error("the record is not sealed")
		}
		wantErr(t, reseal(two, one), codexauth.ErrWrongKey)
		_, err := with(two).Token(t.Context())
		wantErr(t, err, codexauth.ErrWrongKey)
		_, err = with(nil).Token(t.Context())
		wantErr(t, err, codexauth.ErrSealed)
		if err := reseal(one, two); err != nil {
			t.Fatal(err)
		}
		if again := mustToken(t, with(two)); !again.AccessToken.Equal(token.AccessToken) {
			t.Error("another token came out")
		}
		if status, err := with(two).Status(t.Context()); err != nil || !status.Sealed {
			t.Errorf("%v, %v", status, err)
		}
		if err := reseal(two, nil); err != nil {
			t.Fatal(err)
		}
		mustToken(t, with(nil))
		wantErr(t, codexauth.Place{Store: store, Key: "nobody"}.Reseal(t.Context(), one), codexauth.ErrNotFound)
	})
}
