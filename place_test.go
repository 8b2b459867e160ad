package codexauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

func TestMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, from, to := newFake(), memory.New(), memory.New()
		token := mustToken(t, signIn(t, s, from))
		move := func(a, b codexauth.Store, replace bool) error {
			return codexauth.Place{Store: a}.MoveTo(t.Context(), codexauth.Place{Store: b, Sealer: toySealer{1}}, mayReplace(replace))
		}
		// Cut off between the two commits: both hold it, and again completes it.
		cut := &brokenStore{Store: from, commit: func(context.Context, []byte, func() error) error { return errors.New("cut off") }}
		if err := move(cut, to, false); err == nil || !strings.Contains(err.Error(), "run this again") {
			t.Fatalf("error %v", err)
		}
		if err := move(from, to, false); err != nil {
			t.Fatal(err)
		}
		_, err := newManager(t, s, from).Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		if data, _ := from.Load(t.Context(), codexauth.DefaultKey); strings.Contains(string(data), "rt-") {
			t.Error("the old place still holds a token")
		}
		there := newManager(t, s, to, func(c *codexauth.Config) { c.Sealer = toySealer{1} })
		if got := mustToken(t, there); !got.AccessToken.Equal(token.AccessToken) {
			t.Error("another login arrived")
		}
		if _, err := there.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		// Another login is not replaced unless that is meant.
		other := memory.New()
		signIn(t, s, other)
		wantErr(t, move(other, to, false), codexauth.ErrSignedIn)
		if err := move(other, to, true); err != nil {
			t.Error(err)
		}
		wantErr(t, move(from, to, false), codexauth.ErrSignedOut)
	})
}

// renamed moves the login to another key of its store.
func renamed(t *testing.T, store codexauth.Store, from, to string, replace bool) error {
	t.Helper()
	return codexauth.Place{Store: store, Key: from}.MoveTo(t.Context(), codexauth.Place{Key: to}, mayReplace(replace))
}

func under(key string) func(*codexauth.Config) {
	return func(c *codexauth.Config) { c.Key = key }
}

func TestRename(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		token := mustToken(t, signIn(t, s, store))
		if err := renamed(t, store, codexauth.DefaultKey, "new", false); err != nil {
			t.Fatal(err)
		}
		m := newManager(t, s, store)
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		if !strings.Contains(err.Error(), `moved to the profile "new"`) {
			t.Errorf("error %v", err)
		}
		if status, err := m.Status(t.Context()); err != nil || status.State != codexauth.StateSignedOut || status.MovedTo != `the profile "new"` {
			t.Errorf("%+v, %v", status, err)
		}
		there := newManager(t, s, store, under("new"))
		if got := mustToken(t, there); !got.AccessToken.Equal(token.AccessToken) {
			t.Error("another login arrived")
		}
		if _, err := there.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		wantErr(t, renamed(t, store, codexauth.DefaultKey, "new", false), codexauth.ErrSignedOut)
		// Another login of that name stays; and the way back is open.
		signIn(t, s, store)
		wantErr(t, renamed(t, store, codexauth.DefaultKey, "new", false), codexauth.ErrSignedIn)
		if err := m.SignOut(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if err := renamed(t, store, "new", codexauth.DefaultKey, false); err != nil {
			t.Fatal(err)
		}
		mustToken(t, newManager(t, s, store))
		if err := renamed(t, store, codexauth.DefaultKey, codexauth.DefaultKey, false); err == nil {
			t.Error("it was moved to where it was")
		}
	})
}

// A rename that was cut off between its two commits is completed by another one.
func TestRenameCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		commits := 0
		cut := &brokenStore{Store: store, commit: func(_ context.Context, _ []byte, commit func() error) error {
			if commits++; commits == 2 {
				return errors.New("cut off")
			}
			return commit()
		}}
		if err := renamed(t, cut, codexauth.DefaultKey, "new", false); err == nil || !strings.Contains(err.Error(), "run this again") {
			t.Fatalf("error %v", err)
		}
		if err := renamed(t, store, codexauth.DefaultKey, "new", false); err != nil {
			t.Fatal(err)
		}
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		mustToken(t, newManager(t, s, store, under("new")))
	})
}

// Two that rename in opposite directions don't wait for each other.
func TestRenamesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		results := make(chan error, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, way := range [][2]string{{codexauth.DefaultKey, "other"}, {"other", codexauth.DefaultKey}} {
			go func() {
				results <- codexauth.Place{Store: store, Key: way[0]}.MoveTo(ctx, codexauth.Place{Key: way[1]}, nil)
			}()
		}
		for range 2 {
			if err := <-results; err != nil && !errors.Is(err, codexauth.ErrSignedOut) {
				t.Error(err)
			}
		}
	})
}

// A holder lost its claim, the others believe a refusal, and the login is moved: the
// answer that the holder gets late is saved where the login is now, and not revoked.
func TestLateAnswerFollowsTheLogin(t *testing.T) {
	refusedAndMoved := func(t *testing.T, s *fakeServer, store *memory.Store, move func() error) func(int, map[string]any) (*http.Response, error) {
		return func(n int, _ map[string]any) (*http.Response, error) {
			if n > 1 {
				return nil, nil
			}
			data, _ := store.Load(context.Background(), codexauth.DefaultKey)
			store.Put(codexauth.DefaultKey, codexauth.Edit(codexauth.DefaultKey, data, func(r *codexauth.Record) {
				codexauth.Refuse(r)
				r.Note = nil
			}))
			if err := move(); err != nil {
				t.Error(err)
			}
			return nil, nil
		}
	}
	check := func(t *testing.T, s *fakeServer, err error, there *codexauth.Manager) {
		t.Helper()
		wantErr(t, err, codexauth.ErrSignedOut)
		if len(s.revoked) != 0 {
			t.Errorf("what lives on was revoked: %v", s.revoked)
		}
		mustToken(t, there)
		if _, err := there.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if s.reuses != 0 {
			t.Errorf("%d reuses", s.reuses)
		}
	}
	for name, keys := range map[string][]string{"once": {"new"}, "twice": {"new", "newer"}, "and back": {"new", codexauth.DefaultKey}} {
		t.Run("renamed "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := expired(t, s)
				other := freed{store}
				s.after = refusedAndMoved(t, s, store, func() error {
					from := codexauth.DefaultKey
					for _, key := range keys {
						if err := renamed(t, other, from, key, false); err != nil {
							return err
						}
						from = key
					}
					return nil
				})
				_, err := newManager(t, s, store).Token(t.Context())
				if name == "and back" { // where it was, as if nothing had happened
					err = codexauth.ErrSignedOut
				}
				check(t, s, err, newManager(t, s, store, under(keys[len(keys)-1])))
			})
		})
	}
	t.Run("to another store", func(t *testing.T) {
		dir := t.TempDir()
		rescued := func(c *codexauth.Config) { c.RescueDir = filepath.Join(dir, "rescue") }
		synctest.Test(t, func(t *testing.T) {
			s, to := newFake(), memory.New()
			store := expired(t, s)
			s.after = refusedAndMoved(t, s, store, func() error {
				return codexauth.Place{Store: freed{store}}.MoveTo(t.Context(), codexauth.Place{Store: to}, nil)
			})
			_, err := newManager(t, s, store, rescued).Token(t.Context())
			check(t, s, err, newManager(t, s, to, rescued))
		})
	})
}

// freed is a store whose claims were lost by whoever holds one: they are available.
type freed struct{ *memory.Store }

func (f freed) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	data, err := f.Store.Load(ctx, key)
	if errors.Is(err, codexauth.ErrNotFound) {
		data, err = nil, nil
	}
	return &freeClaim{f.Store, key, data}, err
}

type freeClaim struct {
	store *memory.Store
	key   string
	data  []byte
}

func (c *freeClaim) Record() []byte { return c.data }
func (c *freeClaim) Reload(ctx context.Context) ([]byte, error) {
	data, err := c.store.Load(ctx, c.key)
	c.data = data
	return data, err
}
func (c *freeClaim) Commit(_ context.Context, record []byte) error {
	c.store.Put(c.key, record)
	c.data = record
	return nil
}
func (c *freeClaim) Delete(context.Context) error { return errors.ErrUnsupported }
func (c *freeClaim) Release() error               { return nil }

// mayReplace is what lets a move replace a login, or nil.
func mayReplace(replace bool) func(codexauth.Account, error) {
	if !replace {
		return nil
	}
	return func(codexauth.Account, error) {}
}

// A move tells whose login it took the place of, and of none where there was none.
func TestMoveTellsWhatItReplaces(t *testing.T) {
	var told []string
	tell := func(a codexauth.Account, err error) { told = append(told, fmt.Sprint(a.ID, " ", err != nil)) }
	move := func(from, to codexauth.Store) {
		t.Helper()
		told = nil
		if err := (codexauth.Place{Store: from}).MoveTo(t.Context(), codexauth.Place{Store: to}, tell); err != nil {
			t.Fatal(err)
		}
	}
	s := newFake()
	a, b := memory.New(), memory.New()
	s.as("user-a", "acc-a")
	signIn(t, s, a)
	s.as("user-b", "acc-b")
	signIn(t, s, b)
	move(a, b)
	if !slices.Equal(told, []string{"acc-b false"}) {
		t.Errorf("told %q", told)
	}
	move(b, a)
	if told != nil {
		t.Errorf("nobody was signed in there, and it told %q", told)
	}
	claim, err := b.Claim(t.Context(), codexauth.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := claim.Commit(t.Context(), []byte("no record")); err != nil {
		t.Fatal(err)
	}
	claim.Release()
	move(a, b)
	if !slices.Equal(told, []string{" true"}) {
		t.Errorf("told %q", told)
	}
}
