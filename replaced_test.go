package codexauth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/wait"
	"codexauth/store/memory"
)

// as makes the server's next sign-ins those of a user in an account.
func (s *fakeServer) as(user, account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims = map[string]any{"chatgpt_user_id": user, "chatgpt_account_id": account}
}

// farewells are what was told about logins that were replaced.
type farewells []struct {
	old codexauth.Account
	err error
}

func (f *farewells) hear(old codexauth.Account, err error) {
	*f = append(*f, struct {
		old codexauth.Account
		err error
	}{old, err})
}

// leftAlone reports whether one login was replaced, and not revoked on purpose.
func (f farewells) leftAlone() bool {
	return len(f) == 1 && f[0].err != nil && !errors.Is(f[0].err, codexauth.ErrNotRevoked)
}

// signInAs signs in over what is stored and returns what was told about that.
func signInAs(t *testing.T, m *codexauth.Manager) (told farewells) {
	t.Helper()
	if _, err := m.SignIn(t.Context(), codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{Replaced: told.hear}); err != nil {
		t.Fatal(err)
	}
	return told
}

// A login that another account's took the place of is revoked, once the new one is
// durable; one that the new login might end with is left alone.
func TestReplacedLoginIsRevoked(t *testing.T) {
	s, store := newFake(), memory.New()
	m := newManager(t, s, store)
	s.as("user-a", "acc-a")
	if told := signInAs(t, m); told != nil {
		t.Errorf("nothing was replaced, and it told %+v", told)
	}
	old := stored(t, store).Credential.RefreshToken
	s.as("user-b", "acc-b")
	s.onRevoke = func(context.Context) error {
		if stored(t, store).Credential.RefreshToken == old {
			t.Error("revoked before the new login was stored")
		}
		return nil
	}
	told := signInAs(t, m)
	if len(told) != 1 || told[0].err != nil || told[0].old.UserID != "user-a" {
		t.Errorf("told %+v", told)
	}
	if !slices.Equal(s.revoked, []string{old}) {
		t.Errorf("revoked %q, want the old login's %q", s.revoked, old)
	}
	mustToken(t, m)
}

func TestReplacedLoginThatMustNotBeRevoked(t *testing.T) {
	for name, tt := range map[string]struct{ oldUser, oldAccount, user, account string }{
		"same account and user":     {"user-a", "acc-a", "user-a", "acc-a"},
		"another workspace":         {"user-a", "acc-a", "user-a", "acc-b"},
		"another user of a team":    {"user-a", "acc-a", "user-b", "acc-a"},
		"the old one tells no user": {"", "acc-a", "user-b", "acc-b"},
		"the new one tells no user": {"user-a", "acc-a", "", "acc-b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake()
			m := newManager(t, s, memory.New())
			s.as(tt.oldUser, tt.oldAccount)
			signInAs(t, m)
			s.as(tt.user, tt.account)
			told := signInAs(t, m)
			if !told.leftAlone() || len(s.revoked) != 0 {
				t.Errorf("told %+v, revoked %q", told, s.revoked)
			}
		})
	}
}

// The account's login in another profile of the store would end as well.
func TestReplacedLoginOfAnotherProfile(t *testing.T) {
	s, store := newFake(), memory.New()
	other := newManager(t, s, store, func(c *codexauth.Config) { c.Key = "work" })
	m := newManager(t, s, store)
	s.as("user-a", "acc-a")
	signInAs(t, other)
	signInAs(t, m)
	s.as("user-b", "acc-b")
	told := signInAs(t, m)
	if !told.leftAlone() || !strings.Contains(told[0].err.Error(), `"work"`) || len(s.revoked) != 0 {
		t.Errorf("told %+v, revoked %q", told, s.revoked)
	}
	s.as("user-c", "acc-c")
	if told := signInAs(t, m); len(told) != 1 || told[0].err != nil || len(s.revoked) != 1 {
		t.Errorf("told %+v, revoked %q", told, s.revoked)
	}
}

// A server that does not take it, or does not answer, costs the new login nothing,
// and the person a few seconds.
func TestReplacedLoginThatCantBeRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m := newManager(t, s, memory.New())
		s.as("user-a", "acc-a")
		signInAs(t, m)
		s.as("user-b", "acc-b")
		s.onRevoke = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		told := signInAs(t, m)
		if len(told) != 1 || !errors.Is(told[0].err, codexauth.ErrNotRevoked) {
			t.Errorf("told %+v", told)
		}
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
		mustToken(t, m)
	})
}

// An import over another account's login is a replacement like any other.
func TestImportRevokesWhatItReplaces(t *testing.T) {
	s, store := newFake(), memory.New()
	m := newManager(t, s, store)
	s.as("user-a", "acc-a")
	signInAs(t, m)
	old := stored(t, store).Credential.RefreshToken
	s.as("user-b", "acc-b")
	c := codexauth.Credential{AccessToken: codexauth.NewSecret(s.jwt("imported")), RefreshToken: codexauth.NewSecret("rt-imported")}
	var told farewells
	ok, err := m.Import(t.Context(), c, codexauth.SignInOptions{Replace: true, Replaced: told.hear})
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if len(told) != 1 || told[0].err != nil || !slices.Equal(s.revoked, []string{old}) {
		t.Errorf("told %+v, revoked %q", told, s.revoked)
	}
}

// Who leaves a sign-out does not wait for a server that hangs, and one that answers
// soon is told all the same.
func TestSignOutThatIsLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		answers time.Duration
		revoked bool
	}{"hangs": {time.Hour, false}, "soon": {time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, store := newFake(), memory.New()
				m := signIn(t, s, store)
				ctx, leave := context.WithCancelCause(t.Context())
				left := errors.New("the person has left")
				s.onRevoke = func(ctx context.Context) error {
					leave(left)
					if wait.Sleep(ctx, tt.answers) != nil {
						return context.Cause(ctx) // as HTTP's transport does
					}
					return nil
				}
				began := time.Now()
				switch err := m.SignOut(ctx, false); {
				case tt.revoked && err != nil:
					t.Error(err)
				case !tt.revoked && !(errors.Is(err, codexauth.ErrNotRevoked) && errors.Is(err, left)):
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
				if stored(t, store).SignedOut == nil {
					t.Error("not signed out")
				}
			})
		})
	}
}
