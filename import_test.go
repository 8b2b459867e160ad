package codexauth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/oauth"
	"codexauth/internal/reason"
	"codexauth/store/memory"
)

func foreign(s *fakeServer, refresh string) codexauth.Credential {
	return codexauth.Credential{AccessToken: codexauth.NewSecret(s.jwt(refresh)), RefreshToken: codexauth.NewSecret(refresh)}
}

func TestImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := newManager(t, s, store)
		// What a dry run says is what comes of it, and it changes nothing.
		imported := func(c codexauth.Credential, replace bool) (bool, error) {
			before, _ := store.Load(t.Context(), codexauth.DefaultKey)
			would, why := m.Import(t.Context(), c, codexauth.SignInOptions{Replace: replace, DryRun: true})
			if after, _ := store.Load(t.Context(), codexauth.DefaultKey); string(after) != string(before) {
				t.Error("a dry run changed the record")
			}
			ok, err := m.Import(t.Context(), c, codexauth.SignInOptions{Replace: replace})
			if would != ok || fmt.Sprint(why) != fmt.Sprint(err) {
				t.Errorf("a dry run says %v, %v; it was %v, %v", would, why, ok, err)
			}
			return ok, err
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
		if _, err := imported(foreign(s, "rt-other"), false); !errors.Is(err, reason.ErrNotNewer) || !errors.Is(err, codexauth.ErrSignedIn) {
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
		if _, err := imported(codexauth.Credential{AccessToken: codexauth.NewSecret("opaque")}, true); !errors.Is(err, oauth.ErrJWTParts) {
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

// After the login went elsewhere or was ended, an old copy is not taken for it:
// using it would end the login where it lives on.
func TestOldCopyIsNotImported(t *testing.T) {
	ends := map[string]func(*codexauth.Manager, codexauth.Store) error{
		"hand-over": func(m *codexauth.Manager, _ codexauth.Store) error {
			return m.HandOver(context.Background(), func(codexauth.Credential) error { return nil }, nil)
		},
		"sign-out": func(m *codexauth.Manager, _ codexauth.Store) error {
			return m.SignOut(context.Background(), false)
		},
		"local sign-out": func(m *codexauth.Manager, _ codexauth.Store) error {
			return m.SignOut(context.Background(), true)
		},
		"move": func(_ *codexauth.Manager, s codexauth.Store) error {
			return codexauth.Place{Store: s}.MoveTo(context.Background(), codexauth.Place{Store: memory.New()}, nil)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, store := newFake(), memory.New()
				m := newManager(t, s, store)
				old := foreign(s, "rt-0")
				if _, err := m.Import(t.Context(), old, codexauth.SignInOptions{}); err != nil {
					t.Fatal(err)
				}
				if _, err := m.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				current := foreign(s, s.current)
				if err := end(m, store); err != nil {
					t.Fatal(err)
				}
				imported := func(c codexauth.Credential, o codexauth.SignInOptions) error {
					_, err := newManager(t, s, store).Import(t.Context(), c, o)
					return err
				}
				wantErr(t, imported(old, codexauth.SignInOptions{}), codexauth.ErrSpent)
				wantErr(t, imported(old, codexauth.SignInOptions{Replace: true}), codexauth.ErrSpent)
				// The present one may come back, unless it is revoked or another store's.
				err := imported(current, codexauth.SignInOptions{})
				if spent := name == "move" || name == "sign-out"; errors.Is(err, codexauth.ErrSpent) != spent || !spent && err != nil {
					t.Errorf("the present token: %v", err)
				}
				if signIn(t, s, store); len(stored(t, store).Spent) == 0 {
					t.Error("a new sign-in forgets what is spent")
				}
			})
		})
	}
}
