package codexauth_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// expired returns a store with a login whose token has ended.
func expired(t *testing.T, s *fakeServer) *memory.Store {
	t.Helper()
	store := memory.New()
	signIn(t, s, store)
	time.Sleep(2 * time.Hour)
	return store
}

func TestNothingIsSentIfTheNoteCannotBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		full := errors.New("no space left on device")
		store.commit = func(context.Context, []byte, func() error) error { return full }
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, full)
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests although the store can't be written", n)
		}
		store.commit = nil
		mustToken(t, newManager(t, s, store))
	})
}

// failAfterNote returns a hook that fails the commits after the note for as long as
// failing says.
func failAfterNote(failing func(n int) error) func(context.Context, []byte, func() error) error {
	n := 0
	return func(_ context.Context, _ []byte, commit func() error) error {
		if n++; n == 1 {
			return commit()
		}
		if err := failing(n - 1); err != nil {
			return err
		}
		return commit()
	}
}

func TestSaveIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = failAfterNote(func(n int) error {
			if n < 5 {
				return errors.New("input/output error")
			}
			return nil
		})
		dir := filepath.Join(t.TempDir(), "rescue")
		m := newManager(t, s, store, func(c *codexauth.Config) { c.RescueDir = dir })
		mustToken(t, m)
		if rec := stored(t, store); rec.Seq != 2 {
			t.Errorf("seq %d", rec.Seq)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("a rescue file was left: %v", left)
		}
	})
}

func TestCommitThatFailedButLandedCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		n := 0
		store.commit = func(_ context.Context, _ []byte, commit func() error) error {
			if n++; n == 2 {
				commit()
				return errors.New("the connection broke after the commit")
			}
			return commit()
		}
		mustToken(t, newManager(t, s, store))
		if rec := stored(t, store); rec.Seq != 2 {
			t.Errorf("seq %d", rec.Seq)
		}
		if n != 3 {
			t.Errorf("%d commits: whether the one that failed is durable, one more tells", n)
		}
	})
}

func TestRescueFileIsWrittenAndPickedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		var writable atomic.Bool // the first Manager goes on trying meanwhile
		store.commit = failAfterNote(func(int) error {
			if writable.Load() {
				return nil
			}
			return errors.New("read-only file system")
		})
		dir := filepath.Join(t.TempDir(), "rescue")
		rescue := func(c *codexauth.Config) { c.RescueDir = dir }
		m := newManager(t, s, store, rescue)
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSaved)
		if m.Held() {
			if token, err := m.Token(t.Context()); err == nil {
				t.Errorf("a token was used before it was saved: %v", token)
			}
		}
		files, _ := os.ReadDir(dir)
		if len(files) != 1 || !strings.Contains(err.Error(), files[0].Name()) {
			t.Fatalf("rescue files %v, error %v", files, err)
		}
		if info, _ := files[0].Info(); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		writable.Store(true)
		token := mustToken(t, newManager(t, s, store, rescue))
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses: the rescued token was not used", n, reuses)
		}
		if !token.Expiry.After(time.Now()) {
			t.Error("the rescued token is not valid")
		}
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Error("the rescue file was not removed")
		}
	})
}

// spilled returns a store that did not take a successor, but does now, and where
// the rescue file is.
func spilled(t *testing.T, s *fakeServer) (store *brokenStore, dir string, rescue func(*codexauth.Config)) {
	t.Helper()
	store = &brokenStore{Store: expired(t, s)}
	store.commit = failAfterNote(func(int) error { return errors.New("read-only file system") })
	dir = filepath.Join(t.TempDir(), "rescue")
	rescue = func(c *codexauth.Config) { c.RescueDir = dir }
	m := newManager(t, s, store, rescue)
	_, err := m.Token(t.Context())
	wantErr(t, err, codexauth.ErrNotSaved)
	m.Close() // or it would go on trying
	store.commit = nil
	return store, dir, rescue
}

// A rescue file goes in only where its refresh token follows the stored one, and
// waits where it does not.
func TestRescueFileOfAnotherStateStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, rescue := spilled(t, s)
		edit(t, store, func(r *codexauth.Record) { r.Credential.RefreshToken = "rt-other" })
		_, err := onBubbleTime(newManager(t, s, store, rescue)).Token(t.Context())
		wantErr(t, err, codexauth.ErrRefused)
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("%d rescue files", len(files))
		}
	})
}

// A store that went back to an older state is behind what was rescued: its token
// is spent, and the rescued one is the newest.
func TestRescueFileOutdoesAnOlderState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, rescue := spilled(t, s)
		edit(t, store, func(r *codexauth.Record) { r.Seq-- })
		mustToken(t, newManager(t, s, store, rescue))
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Errorf("%d rescue files", len(files))
		}
	})
}

func TestRescueFileOfAnOldLoginIsNotPickedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, dir, rescue := spilled(t, s)
		m := newManager(t, s, store, rescue)
		if _, err := m.SignIn(t.Context(), codexauth.Grant{Code: "new"}, codexauth.SignInOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rec := stored(t, store); rec.Seq != 2 || !strings.HasPrefix(rec.Spent[0], "") || len(rec.Spent) != 1 {
			t.Errorf("seq %d, spent %d", rec.Seq, len(rec.Spent))
		}
		if files, _ := os.ReadDir(dir); len(files) != 0 {
			t.Error("the overtaken rescue file is still there")
		}
	})
}

// Who hands a login over or ends it means its newest state, also where that
// waits in a rescue file.
func TestRescueFileIsPickedUpBeforeTheLoginEnds(t *testing.T) {
	ends := map[string]func(*codexauth.Manager) (string, error){
		"hand-over": func(m *codexauth.Manager) (given string, err error) {
			err = m.HandOver(context.Background(), func(c codexauth.Credential) error {
				given = c.RefreshToken.Reveal()
				return nil
			}, nil)
			return given, err
		},
		"sign-out": func(m *codexauth.Manager) (string, error) {
			return "", m.SignOut(context.Background(), false)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store, _, rescue := spilled(t, s)
				given, err := end(newManager(t, s, store, rescue))
				if err != nil {
					t.Fatal(err)
				}
				if newest := strings.Join(append(s.revoked, given), ""); newest != s.current {
					t.Errorf("it ended %q", newest)
				}
			})
		})
	}
}

func TestTornAnswerIsUsedAsFarAsItCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(_ int, g map[string]any) (*http.Response, error) {
			body := `{"refresh_token":"` + g["refresh_token"].(string) + `","access_token":"` + g["access_token"].(string) + `","expires_in":36`
			return s.reply(200, body), nil
		}
		mustToken(t, newManager(t, s, store))
		s.after = nil
		if _, err := newManager(t, s, store).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTornAnswerWithoutASuccessorIsReportedForWhatItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(_ int, g map[string]any) (*http.Response, error) {
			return s.reply(200, `{"access_token":"`+g["access_token"].(string)+`","refresh_tok`), nil
		}
		mustToken(t, newManager(t, s, store)) // good until it expires
		s.after = nil
		time.Sleep(2 * time.Hour)
		_, err := newManager(t, s, store).Token(t.Context())
		var refused *codexauth.RefusedError
		if !errors.As(err, &refused) || refused.CutOff == nil {
			t.Errorf("error %v", err)
		}
	})
}

func TestRefreshTokenIsSavedEvenIfTheAccessTokenIsUnusable(t *testing.T) {
	for name, spoil := range map[string]func(map[string]any){
		"missing": func(g map[string]any) { delete(g, "access_token") },
		"no JWT":  func(g map[string]any) { g["access_token"] = "opaque" },
		"stranger": func(g map[string]any) {
			g["access_token"] = jwt(map[string]any{"https://api.openai.com/auth": map[string]any{"chatgpt_account_id": "acc-2"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := expired(t, s)
				s.after = func(_ int, g map[string]any) (*http.Response, error) {
					spoil(g)
					return nil, nil
				}
				_, err := newManager(t, s, store).Token(t.Context())
				wantErr(t, err, codexauth.ErrTransient)
				if rec := stored(t, store); rec.Credential.RefreshToken != "rt-1" || rec.Seq != 2 {
					t.Fatal("the new refresh token was not saved")
				}
				s.after = nil
				mustToken(t, newManager(t, s, store))
				if _, reuses := s.counts(); reuses != 0 {
					t.Errorf("%d reuses", reuses)
				}
			})
		})
	}
}

func TestUnreadableAnswerIsNotRetriedByTheSameProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(int, map[string]any) (*http.Response, error) { return s.reply(200, "<html>hello</html>"), nil }
		m := newManager(t, s, store)
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrUnknownOutcome)
		time.Sleep(10 * time.Minute)
		_, err = m.Token(t.Context())
		wantErr(t, err, codexauth.ErrUnknownOutcome)
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// A save that fails to the end because somebody keeps changing the record must
// not make the holder send the spent token again.
func TestNotSavedIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = failAfterNote(func(int) error { return codexauth.ErrLost })
		nowhere := filepath.Join(t.TempDir(), "no", "such", "place")
		m := newManager(t, s, store, func(c *codexauth.Config) { c.RescueDir = nowhere })
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSaved)
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}
