package codexauth_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

func foreign(s *fakeServer, refresh string) codexauth.Credential {
	return codexauth.Credential{AccessToken: codexauth.NewSecret(s.jwt(refresh)), RefreshToken: codexauth.NewSecret(refresh)}
}

func TestImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := newManager(t, s, store)
		imported := func(c codexauth.Credential, replace bool) (bool, error) {
			return m.Import(t.Context(), c, codexauth.ImportOptions{Replace: replace})
		}
		first := foreign(s, "rt-0")
		if ok, err := imported(first, false); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if token := mustToken(t, m); token.AccountID != "acc-1" {
			t.Errorf("token %v", token)
		}
		// The same again, and one that was spent since: nothing changes.
		for _, replace := range []bool{false, true} {
			if ok, err := imported(first, replace); ok || err != nil {
				t.Errorf("the stored token was imported again: %v, %v", ok, err)
			}
		}
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := stored(t, store)
		for _, replace := range []bool{false, true} {
			if ok, err := imported(first, replace); ok || err != nil {
				t.Errorf("a spent token was imported: %v, %v", ok, err)
			}
		}
		// Another login of the account that is not newer, and then one that is.
		if _, err := imported(foreign(s, "rt-other"), false); !errors.Is(err, codexauth.ErrNotNewer) {
			t.Errorf("error %v", err)
		}
		if after := stored(t, store); after.Rev != before.Rev {
			t.Error("the record was changed")
		}
		time.Sleep(time.Minute)
		if ok, err := imported(foreign(s, "rt-newer"), false); !ok || err != nil {
			t.Error(ok, err)
		}
		// Another account, and another issuer.
		stranger := codexauth.Credential{AccessToken: codexauth.NewSecret(jwt(map[string]any{
			"https://api.openai.com/auth": map[string]any{"chatgpt_account_id": "acc-2"}}))}
		if _, err := imported(stranger, false); !errors.Is(err, codexauth.ErrSignedIn) {
			t.Errorf("error %v", err)
		}
		elsewhere := codexauth.Credential{AccessToken: codexauth.NewSecret(jwt(map[string]any{"iss": "https://evil.example",
			"https://api.openai.com/auth": map[string]any{"chatgpt_account_id": "acc-1"}}))}
		if _, err := imported(elsewhere, true); !errors.Is(err, codexauth.ErrOtherLogin) {
			t.Errorf("error %v", err)
		}
		if _, err := imported(codexauth.Credential{AccessToken: codexauth.NewSecret("opaque")}, true); !errors.Is(err, codexauth.ErrTokenParts) {
			t.Errorf("error %v", err)
		}
	})
}

func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		full := errors.New("no space left")
		if err := m.HandOver(t.Context(), func(codexauth.Credential) error { return full }, nil); !errors.Is(err, full) {
			t.Fatal(err)
		}
		mustToken(t, m)
		var given codexauth.Credential
		if err := m.HandOver(t.Context(), func(c codexauth.Credential) error { given = c; return nil }, nil); err != nil {
			t.Fatal(err)
		}
		if given.RefreshToken.Reveal() != "rt-login1-0" {
			t.Error("the refresh token was not handed over")
		}
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		if data, _ := store.Load(t.Context(), codexauth.DefaultKey); strings.Contains(string(data), "rt-") {
			t.Error("a token remains")
		}
		if len(s.revoked) != 0 {
			t.Error("the login was revoked")
		}
	})
}

func TestHandOverWaitsForAKnownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.DeadNote(r, time.Now()) })
		m := newManager(t, s, store)
		err := m.HandOver(t.Context(), func(codexauth.Credential) error { t.Error("delivered"); return nil }, nil)
		wantErr(t, err, codexauth.ErrBusy, codexauth.ErrTransient)
	})
}

func TestCredentialHasNoRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		c, err := signIn(t, s, store).Credential(t.Context())
		if err != nil || !c.RefreshToken.IsZero() || c.AccessToken.IsZero() {
			t.Errorf("%v, %v", c, err)
		}
	})
}
