package codexauth_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"

	"codexauth"
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

func TestReseal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		token := mustToken(t, signIn(t, s, store))
		with := func(sealer codexauth.Sealer) *codexauth.Manager {
			return newManager(t, s, store, func(c *codexauth.Config) { c.Sealer = sealer })
		}
		reseal := func(from, to codexauth.Sealer) error {
			return codexauth.Reseal(t.Context(), store, codexauth.DefaultKey, from, to)
		}
		one, two := toySealer{1}, toySealer{2}
		if err := reseal(nil, one); err != nil {
			t.Fatal(err)
		}
		if data, _ := store.Load(t.Context(), codexauth.DefaultKey); bytes.Contains(data, []byte("rt-")) || !codexauth.Sealed(data) {
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
		wantErr(t, codexauth.Reseal(t.Context(), store, "nobody", nil, one), codexauth.ErrNotFound)
	})
}
