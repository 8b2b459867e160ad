package codexauth_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// onlyFile is the one file in a place, and what is said of it.
func onlyFile(p codexauth.RescuePlace) (path string, state error) {
	for path, state = range p.Files {
	}
	return path, state
}

func TestRescuePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = failAfterNote(func(int) error { return errors.New("read-only file system") })
		dir := filepath.Join(t.TempDir(), "rescue")
		rescue := func(c *codexauth.Config) { c.RescueDir = dir }
		look := func() codexauth.RescuePlace {
			t.Helper()
			places := newManager(t, s, store, rescue).RescuePlaces(t.Context())
			if len(places) != 1 || places[0].Dir != dir {
				t.Fatalf("places %+v", places)
			}
			return places[0]
		}
		if p := look(); p.Err != nil || len(p.Files) != 0 {
			t.Errorf("before it was needed: %+v", p)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("looking made the place")
		}
		m := newManager(t, s, store, rescue)
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSaved)
		m.Close()
		p := look()
		path, fits := onlyFile(p)
		if len(p.Files) != 1 || fits != nil || p.Err != nil {
			t.Fatalf("the rescued token: %+v", p)
		}
		store.commit = nil
		if p := look(); len(p.Files) != 1 || p.Files[path] != nil {
			t.Errorf("looking picked it up: %+v", p)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := look(); !errors.Is(p.Files[path], codexauth.ErrDamaged) {
			t.Errorf("a damaged one: %+v", p)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if p := look(); runtime.GOOS != "windows" && (p.Err == nil || len(p.Files) != 0) { // modes say nothing there
			t.Errorf("in an open place: %+v", p)
		}
		dir = filepath.Join(dir, "unmounted", "home", "rescue")
		places := newManager(t, s, store, rescue).RescuePlaces(t.Context())
		if len(places) != 2 || places[0].Err == nil {
			t.Errorf("where none can be made, and where the note's writer had one: %+v", places)
		}
	})
}

func TestHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := memory.New()
		m := newManager(t, s, store)
		if _, _, err := m.Holds(t.Context(), codexauth.NewSecret("x")); !errors.Is(err, codexauth.ErrSignedOut) {
			t.Errorf("of nobody: %v", err)
		}
		signIn(t, s, store)
		first := refreshTokenIn(t, store)
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for token, want := range map[string][2]bool{
			first: {false, true}, refreshTokenIn(t, store): {true, false}, "another": {}, "": {},
		} {
			current, spent, err := m.Holds(t.Context(), codexauth.NewSecret(token))
			if err != nil || current != want[0] || spent != want[1] {
				t.Errorf("%q: current %v, spent %v, %v; want %v", token, current, spent, err, want)
			}
		}
	})
}

// Status tells what a successor of a note would do, and what is corrected for.
func TestStatusOfANote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		s.skew = time.Hour
		store := memory.New()
		signIn(t, s, store)
		m := newManager(t, s, store)
		for name, tt := range map[string]struct {
			note      func(*codexauth.Record, time.Time)
			abandoned bool
		}{"dead": {codexauth.DeadNote, true}, "foreign": {codexauth.ForeignNote, false}} {
			edit(t, store, func(r *codexauth.Record) { tt.note(r, time.Now()) })
			st, err := m.Status(t.Context())
			if err != nil || st.Pending == nil || st.Abandoned != tt.abandoned {
				t.Errorf("%s: %+v, %v", name, st, err)
			}
			if st.Skew != time.Hour {
				t.Errorf("%s: skew %v", name, st.Skew)
			}
		}
	})
}

// refreshTokenIn is the refresh token that a store holds.
func refreshTokenIn(t *testing.T, store *memory.Store) string {
	t.Helper()
	data, err := store.Load(t.Context(), codexauth.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := codexauth.DecodeRecord(codexauth.DefaultKey, data)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Credential.RefreshToken
}
