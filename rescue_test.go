package codexauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/reason"
	"codexauth/store/memory"
)

// inPlace makes Managers use one rescue place.
func inPlace(dir string) func(*codexauth.Config) {
	return func(c *codexauth.Config) { c.RescueDir = dir }
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Two stores of one user have a profile of one name, and share the rescue places:
// whatever happens in one, the other's rescued token stays until it is picked up.
func TestAnotherStoresRescueFileStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mine := newFake()
		store, dir, rescue := spilled(t, mine)
		theirs, other := newFake(), memory.New()
		signIn(t, theirs, other)
		m := newManager(t, theirs, other, rescue)
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := m.SignIn(t.Context(), codexauth.Grant{Code: "again"}, codexauth.SignInOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := m.SignOut(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if n := len(filesIn(t, dir)); n != 1 {
			t.Fatalf("%d rescue files: the only copy of a refresh token is gone", n)
		}
		mustToken(t, newManager(t, mine, store, rescue))
		if n, reuses := mine.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

// The files of the version before named the profile alone. They are picked up, and
// another login's is left.
func TestRescueFileOfTheOlderNaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, rescue := spilled(t, s)
		name := filesIn(t, dir)[0]
		old := name[:17] + "OLDERNAMING.record"
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, old)); err != nil {
			t.Fatal(err)
		}
		theirs, other := newFake(), memory.New()
		signIn(t, theirs, other)
		if _, err := newManager(t, theirs, other, rescue).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(filesIn(t, dir)); n != 1 {
			t.Fatalf("%d rescue files after another login's refresh", n)
		}
		mustToken(t, newManager(t, s, store, rescue))
		if n, reuses := s.counts(); n != 1 || reuses != 0 || len(filesIn(t, dir)) != 0 {
			t.Errorf("%d requests, %d reuses, files %v", n, reuses, filesIn(t, dir))
		}
	})
}

// The note says where its writer spills: a successor with another HOME looks there.
func TestNoteNamesTheRescuePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, _ := spilled(t, s)
		if n := stored(t, store).Note; n == nil || len(n.Places) != 1 || n.Places[0] != dir {
			t.Fatalf("note %+v", n)
		}
		mustToken(t, newManager(t, s, store, inPlace(filepath.Join(t.TempDir(), "elsewhere"))))
		if n, reuses := s.counts(); n != 1 || reuses != 0 || len(filesIn(t, dir)) != 0 {
			t.Errorf("%d requests, %d reuses, files %v", n, reuses, filesIn(t, dir))
		}
	})
}

// On another machine those places can only be named.
func TestReportNamesTheRescuePlacesOfAnotherMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, _ := spilled(t, s)
		edit(t, store, func(r *codexauth.Record) {
			r.Note.Host, r.Note.Machine = "elsewhere", "another boot"
		})
		must(t, os.Rename(dir, dir+"-on-the-other-machine"))
		_, err := onBubbleTime(newManager(t, s, store, inPlace(filepath.Join(t.TempDir(), "here")))).Token(t.Context())
		wantErr(t, err, codexauth.ErrRefused)
		if !strings.Contains(err.Error(), "unless it waits on that host, in "+dir) {
			t.Errorf("it does not say where to look: %v", err)
		}
	})
}

// After a sign-out no rescue file of the login is left: neither one of a later
// state nor one that can't be read.
func TestSignOutRemovesEveryRescueFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, rescue := spilled(t, s)
		name := filesIn(t, dir)[0]
		head, rest, _ := strings.Cut(name, "-2-")
		must(t, os.WriteFile(filepath.Join(dir, head+"-7-"+rest), []byte("unreadable"), 0o600))
		must(t, os.WriteFile(filepath.Join(dir, head+"-1-"+rest), []byte("unreadable"), 0o600))
		foreign := head[:17] + strings.Repeat("0", 16) + "-2-" + rest
		must(t, os.WriteFile(filepath.Join(dir, foreign), []byte("unreadable"), 0o600))
		if err := newManager(t, s, store, rescue).SignOut(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if left := filesIn(t, dir); len(left) != 1 || left[0] != foreign {
			t.Errorf("left: %v", left)
		}
		if len(s.revoked) != 1 || s.revoked[0] != s.current {
			t.Errorf("revoked %v", s.revoked)
		}
	})
}

// A record that is gone while a rescued login waits is no sign-out.
func TestStoreThatMovedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, rescue := spilled(t, s)
		away := memory.New()
		_, err := newManager(t, s, away, rescue).Token(t.Context())
		wantErr(t, err, reason.ErrStoreAway, codexauth.ErrSignedOut)
		if want := filesIn(t, dir)[0]; !strings.Contains(err.Error(), want) {
			t.Errorf("it does not name the file: %v", err)
		}
		status, err := newManager(t, s, away, rescue).Status(t.Context())
		if err != nil || status.State != codexauth.StateSignedOut || status.Rescued == "" {
			t.Errorf("status %+v, %v", status, err)
		}
		mustToken(t, newManager(t, s, store, rescue)) // it is back
	})
}

// A new key must not shut out what waits under the old one.
func TestResealPicksUpFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, _ := spilled(t, s)
		if err := (codexauth.Place{Store: store}).Reseal(t.Context(), toySealer{1}); err != nil {
			t.Fatal(err)
		}
		if left := filesIn(t, dir); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		mustToken(t, newManager(t, s, store, func(c *codexauth.Config) { c.Sealer = toySealer{1} }))
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

// While a refresh has no known outcome a login is neither resealed nor moved nor
// handed over: its answer may yet come under the old key, or to the old place.
func TestNothingMovesUnderANote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		before, _ := store.Load(t.Context(), codexauth.DefaultKey)
		for name, act := range map[string]func() error{
			"reseal": func() error {
				return codexauth.Place{Store: store}.Reseal(t.Context(), toySealer{1})
			},
			"move": func() error {
				return codexauth.Place{Store: store}.MoveTo(t.Context(), codexauth.Place{Store: memory.New()}, nil)
			},
			"hand-over": func() error {
				return newManager(t, s, store).HandOver(t.Context(), func(codexauth.Credential) error { return nil }, nil)
			},
		} {
			if err := act(); !errors.Is(err, codexauth.ErrBusy) {
				t.Errorf("%s: %v", name, err)
			}
			if now, _ := store.Load(t.Context(), codexauth.DefaultKey); string(now) != string(before) {
				t.Fatalf("%s changed the record", name)
			}
		}
	})
}

// A late save never replaces what it can't read: it may be somebody's login.
func TestLateSaveLeavesWhatItCannotRead(t *testing.T) {
	newer := "codexauth-record v9 json 2 0\n{}"
	for name, strange := range map[string]func(noted []byte) []byte{
		"a newer version":  func([]byte) []byte { return []byte(newer) },
		"another key":      func(n []byte) []byte { return []byte(strings.Replace(string(n), " json ", " toy ", 1)) },
		"something spoilt": func([]byte) []byte { return []byte("codexauth-record v1 json 7 00\nspoilt!") },
		"nothing":          func([]byte) []byte { return []byte{} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := expired(t, s)
				var there []byte
				s.after = func(int, map[string]any) (*http.Response, error) {
					noted, _ := store.Load(context.Background(), codexauth.DefaultKey)
					there = strange(noted)
					store.Put(codexauth.DefaultKey, there)
					return nil, nil
				}
				dir := filepath.Join(t.TempDir(), "rescue")
				_, err := newManager(t, s, store, inPlace(dir)).Token(t.Context())
				wantErr(t, err, codexauth.ErrNotSaved)
				if now, _ := store.Load(t.Context(), codexauth.DefaultKey); string(now) != string(there) {
					t.Error("it was replaced")
				}
				if n := len(filesIn(t, dir)); n != 1 {
					t.Errorf("%d rescue files", n)
				}
			})
		})
	}
}

// What the holder wrote itself, and a disk has spoiled, is replaced.
func TestLateSaveReplacesItsOwnSpoiledNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(int, map[string]any) (*http.Response, error) {
			noted, _ := store.Load(context.Background(), codexauth.DefaultKey)
			noted[len(noted)-2] ^= 1
			store.Put(codexauth.DefaultKey, noted)
			return nil, nil
		}
		mustToken(t, newManager(t, s, store))
	})
}

// A refresh that brought no access token is not said to have worked, by whichever
// way its outcome comes.
func TestKeptAccessTokenIsNoRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		s.after = func(_ int, g map[string]any) (*http.Response, error) {
			g["access_token"] = "opaque"
			return nil, nil
		}
		other := newManager(t, s, store)
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.Delegate = func(ctx context.Context, job []byte, _ bool) error {
				_, err := other.Rotate(ctx, job)
				return err
			}
		})
		_, err := m.Refresh(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if err == nil || !strings.Contains(fmt.Sprint(err), "access token") {
			t.Errorf("error %v", err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The places of a rescue: the state directory before the cache, which people empty
// when a disk is full; copies on two file systems; and where a stranger has taken
// the name in the temporary directory, another name that the note keeps.
func TestDefaultRescuePlaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to somebody else")
	}
	home, temp := t.TempDir(), t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "TMPDIR": temp, "XDG_STATE_HOME": "", "XDG_CACHE_HOME": "", "XDG_RUNTIME_DIR": "",
	} {
		t.Setenv(name, value)
	}
	squatted := filepath.Join(temp, "codexauth-rescue-0")
	must(t, os.Mkdir(squatted, 0o777))
	must(t, os.Chown(squatted, 65534, 65534))
	places := codexauth.UsablePlaces()
	if len(places) != 3 || places[0] != filepath.Join(home, ".local", "state", "codexauth-rescue") ||
		places[1] != filepath.Join(home, ".cache", "codexauth-rescue") || !strings.HasPrefix(places[2], squatted+"-") {
		t.Errorf("places %v", places)
	}
	if shm := "/dev/shm"; !codexauth.SameFileSystem(home, shm) {
		t.Setenv("XDG_RUNTIME_DIR", shm)
		if spread := codexauth.SpreadPlaces(); spread[1] != filepath.Join(shm, "codexauth-rescue") {
			t.Errorf("the copies are in %v", spread[:2])
		}
		t.Setenv("XDG_RUNTIME_DIR", "")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		mustToken(t, newManager(t, s, store, inPlace("")))
		if left, _ := filepath.Glob(squatted + "*"); len(left) != 2 { // the stranger's, and the one that was asked for above
			t.Errorf("left: %v", left)
		}
	})
}
