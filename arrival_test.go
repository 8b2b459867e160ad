package codexauth_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"codexauth"
	"codexauth/store/memory"
)

var someGrant = codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}

// deafStore goes away after its next commit, until it is brought back.
type deafStore struct {
	*brokenStore
	left int // commits until then; negative: it is there
}

var errAway = errors.New("the store is away")

func newDeaf() *deafStore {
	s := &deafStore{brokenStore: &brokenStore{Store: memory.New()}, left: -1}
	s.commit = func(_ context.Context, _ []byte, commit func() error) error {
		switch {
		case s.left == 0:
			return errAway
		case s.left > 0:
			s.left--
		}
		return commit()
	}
	return s
}

// stranded is a sign-in whose login waits in dir for its store, which is back.
func stranded(t *testing.T, s *fakeServer, store *deafStore) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "rescue")
	store.left = 1 // the announcement
	m := newManager(t, s, store, inPlace(dir))
	_, err := m.SignIn(t.Context(), someGrant, codexauth.SignInOptions{})
	wantErr(t, err, codexauth.ErrNotSaved, errAway)
	if !strings.Contains(err.Error(), dir) {
		t.Errorf("it does not say where the login waits: %v", err)
	}
	if len(s.revoked) != 0 || len(filesIn(t, dir)) != 1 {
		t.Fatalf("%d tokens revoked, files %v", len(s.revoked), filesIn(t, dir))
	}
	m.Close()
	store.left = -1
	return dir
}

// A sign-in whose login the store does not take is no lost sign-in: the login waits
// in a rescue file, and whoever needs a token next puts it in.
func TestSignInIsRescued(t *testing.T) {
	for name, before := range map[string]bool{"the first": false, "over another": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, store := newFake(), newDeaf()
				if before {
					signIn(t, s, store)
				}
				dir := stranded(t, s, store)
				mine := s.current

				store.left = 0 // away again: what there is is served
				m := newManager(t, s, store, inPlace(dir))
				if _, err := m.Token(t.Context()); before != (err == nil) {
					t.Errorf("while the store takes nothing: %v", err)
				}
				store.left = -1
				if before {
					m = newManager(t, s, store, inPlace(dir)) // the other one has a token
				}
				mustToken(t, m)
				if rec := stored(t, store); rec.Credential == nil || rec.Credential.RefreshToken != mine || rec.Arriving != nil {
					t.Errorf("stored: %+v", rec)
				}
				if left := filesIn(t, dir); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
				if _, err := m.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				if n, reuses := s.counts(); n != 1 || reuses != 0 {
					t.Errorf("%d refreshes, %d reuses", n, reuses)
				}
			})
		})
	}
}

// What a rescued sign-in took the place of is told to the server then.
func TestRescuedSignInRevokesWhatItReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), newDeaf()
		s.as("user-a", "acc-a")
		signIn(t, s, store)
		old := s.current
		s.as("user-b", "acc-b")
		dir := stranded(t, s, store)
		mustToken(t, newManager(t, s, store, inPlace(dir)))
		if len(s.revoked) != 1 || s.revoked[0] != old {
			t.Errorf("revoked %q", s.revoked)
		}
	})
}

// Whatever is to become of the login finds the rescued one first.
func TestRescuedSignInComesFirst(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, m *codexauth.Manager, s *fakeServer, store codexauth.Store) error{
		"sign-out": func(t *testing.T, m *codexauth.Manager, s *fakeServer, _ codexauth.Store) error {
			mine := s.current
			err := m.SignOut(t.Context(), false)
			if len(s.revoked) != 1 || s.revoked[0] != mine {
				t.Errorf("revoked %q, want the rescued %q", s.revoked, mine)
			}
			return err
		},
		"another sign-in": func(t *testing.T, m *codexauth.Manager, _ *fakeServer, _ codexauth.Store) error {
			told := signInAs(t, m)
			if len(told) != 1 {
				t.Errorf("told %+v, want the rescued login", told)
			}
			return nil
		},
		"hand-over": func(t *testing.T, m *codexauth.Manager, s *fakeServer, _ codexauth.Store) error {
			return m.HandOver(t.Context(), func(c codexauth.Credential) error {
				if c.RefreshToken.Reveal() != s.current {
					t.Error("another login was handed over")
				}
				return nil
			}, nil)
		},
		"a move": func(t *testing.T, _ *codexauth.Manager, s *fakeServer, store codexauth.Store) error {
			to := memory.New()
			err := codexauth.Place{Store: store}.MoveTo(t.Context(), codexauth.Place{Store: to}, nil)
			if err == nil && stored(t, to).Credential.RefreshToken != s.current {
				t.Error("another login was moved")
			}
			return err
		},
		"another key": func(t *testing.T, _ *codexauth.Manager, s *fakeServer, store codexauth.Store) error {
			err := codexauth.Place{Store: store}.Reseal(t.Context(), toySealer{1})
			if err == nil {
				m := newManager(t, s, store, func(c *codexauth.Config) { c.Sealer = toySealer{1} })
				mustToken(t, m)
			}
			return err
		},
	} {
		for when, before := range map[string]bool{"the first": false, "over another": true} {
			t.Run(name+" of "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, store := newFake(), newDeaf()
					if before {
						signIn(t, s, store)
					}
					dir := stranded(t, s, store)
					m := newManager(t, s, store, inPlace(dir))
					// A Place looks into the places that the announcement names.
					if err := do(t, m, s, store); err != nil {
						t.Fatal(err)
					}
					if left := filesIn(t, dir); len(left) != 0 {
						t.Errorf("left: %v", left)
					}
				})
			})
		}
	}
}

// It is put where it was to go, and nowhere else: not into another store of this user,
// not after a sign-out, and not over a sign-in that came later.
func TestRescuedSignInGoesNowhereElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), newDeaf()
		dir := stranded(t, s, store)
		other := newManager(t, newFake(), memory.New(), inPlace(dir))
		if _, err := other.Token(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
			t.Errorf("another store: %v", err)
		}
		edit(t, store, func(r *codexauth.Record) { r.Arriving = nil }) // as a sign-out by an older version
		if _, err := newManager(t, s, store, inPlace(dir)).Token(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
			t.Errorf("after a sign-out: %v", err)
		}
		if len(filesIn(t, dir)) != 1 {
			t.Error("the file is gone")
		}
	})
}

// A sign-in sends nothing where its login could not be announced, whatever store it is.
func TestNothingIsRedeemedIfTheStoreTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), newDeaf()
		store.left = 0
		_, err := newManager(t, s, store).SignIn(t.Context(), someGrant, codexauth.SignInOptions{})
		wantErr(t, err, errAway)
		if s.exchange != 0 || !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("%d codes redeemed: %v", s.exchange, err)
		}
	})
}

// A code that is refused leaves what was there as it was.
func TestRefusedCodeChangesNothing(t *testing.T) {
	for name, before := range map[string]bool{"nothing": false, "a login": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, store := newFake(), memory.New()
				if before {
					signIn(t, s, store)
				}
				s.refuseCode = true
				if _, err := newManager(t, s, store).SignIn(t.Context(), someGrant, codexauth.SignInOptions{}); err == nil {
					t.Fatal("it was accepted")
				}
				_, err := store.Load(t.Context(), codexauth.DefaultKey)
				if before {
					if rec := stored(t, store); rec.Arriving != nil || rec.Credential == nil {
						t.Errorf("stored %+v", rec)
					}
				} else if !errors.Is(err, codexauth.ErrNotFound) {
					t.Errorf("there is a record: %v", err)
				}
			})
		})
	}
}

// A login that waits and can't be read keeps nobody from signing in again, and a program
// of another provider neither takes it nor uses it.
func TestRescuedSignInThatCannotBeUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), newDeaf()
		dir := stranded(t, s, store)
		other := newManager(t, s, store, inPlace(dir), func(c *codexauth.Config) { c.Provider.ClientID = "another" })
		if _, err := other.Token(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) || other.Held() {
			t.Errorf("another provider: %v", err)
		}
		file := filepath.Join(dir, filesIn(t, dir)[0])
		if err := os.WriteFile(file, []byte("spoiled"), 0o600); err != nil {
			t.Fatal(err)
		}
		m := newManager(t, s, store, inPlace(dir))
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrRescueUnreadable)
		if !strings.Contains(err.Error(), file) {
			t.Errorf("it does not name the file: %v", err)
		}
		signInAs(t, m)
		mustToken(t, m)
		if left := filesIn(t, dir); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}
