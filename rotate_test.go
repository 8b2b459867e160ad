package codexauth_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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

// commits returns a hook that fails the commits after the note for as long as
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
	})
}

func TestRescueFileIsWrittenAndPickedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = failAfterNote(func(int) error { return errors.New("read-only file system") })
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
		if info, _ := files[0].Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		store.commit = nil
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

func TestRescueFileOfAnOldLoginIsNotPickedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = failAfterNote(func(int) error { return errors.New("read-only file system") })
		dir := filepath.Join(t.TempDir(), "rescue")
		rescue := func(c *codexauth.Config) { c.RescueDir = dir }
		_, err := newManager(t, s, store, rescue).Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSaved)
		store.commit = nil
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

func TestFenceWithdrawsALateRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		m := newManager(t, s, store)
		n := time.Duration(0)
		m.SetBoot(func() time.Duration { // every look at the clock finds it 11 s later: the machine was suspended
			n += 11 * time.Second
			return n
		})
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests left after the fence", n)
		}
		if rec := stored(t, store); rec.Note != nil {
			t.Error("the note was not withdrawn")
		}
		m.SetBoot(func() time.Duration { return n })
		mustToken(t, m)
	})
}

func TestUnknownOutcomeKeepsTheNoteAndTellsTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(n int, _ map[string]any) (*http.Response, error) {
			if n == 1 {
				return s.reply(502, "<html>bad gateway</html>"), nil // after the token was spent
			}
			return nil, nil
		}
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrUnknownOutcome)
		if rec := stored(t, store); rec.Note == nil || rec.Note.Ended.IsZero() {
			t.Fatal("the note is gone, or is not marked as ended")
		}
		_, err = newManager(t, s, store).Token(t.Context()) // after the back-off the same token is tried once more
		wantErr(t, err, codexauth.ErrRefused)
		var refused *codexauth.RefusedError
		if !errors.As(err, &refused) || refused.Refusal.CutOff == nil || refused.Refusal.CutOff.PID != os.Getpid() {
			t.Errorf("the report does not say whose answer is lost: %v", err)
		}
		for range 3 {
			_, err = newManager(t, s, store).Token(t.Context())
			wantErr(t, err, codexauth.ErrRefused)
		}
		if n, _ := s.counts(); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// Of several attempts whose outcome is unknown the first is the one whose answer
// is most likely lost: the report names it.
func TestReportNamesTheFirstOfSeveralLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		gateway := func(n, of int) (*http.Response, error) {
			if n == of {
				return s.reply(502, "<html>bad gateway</html>"), nil
			}
			return nil, nil
		}
		s.after = func(n int, _ map[string]any) (*http.Response, error) { return gateway(n, 1) } // spent
		s.before = func(n int) (*http.Response, error) { return gateway(n, 2) }
		first := time.Now()
		for range 2 {
			_, err := newManager(t, s, store).Token(t.Context())
			wantErr(t, err, codexauth.ErrUnknownOutcome)
			time.Sleep(5 * time.Minute)
		}
		_, err := newManager(t, s, store).Token(t.Context())
		var refused *codexauth.RefusedError
		if !errors.As(err, &refused) || refused.Refusal.CutOff == nil || !refused.Refusal.CutOff.Since.Equal(first) {
			t.Errorf("the report does not name the attempt of %v: %v", first, err)
		}
	})
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
		if !errors.As(err, &refused) || refused.Refusal.CutOff == nil {
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

func TestNoteOfAnotherMachineIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		began := time.Now()
		m := newManager(t, s, store)
		m.SetBoot(func() time.Duration { return time.Since(began) })
		mustToken(t, m)
		if waited := time.Since(began); waited < 70*time.Second || waited > 100*time.Second {
			t.Errorf("waited %v for a holder that may only be cut off", waited)
		}
	})
}

func TestLateSaveOfACutOffHolderIsAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		began := time.Now()
		m := newManager(t, s, store)
		m.SetBoot(func() time.Duration { return time.Since(began) })
		go func() {
			time.Sleep(20 * time.Second)
			// The holder saves by comparing the record, without the claim.
			data, _ := store.Load(context.Background(), codexauth.DefaultKey)
			rec, _ := codexauth.DecodeRecord(codexauth.DefaultKey, data)
			c := rec.Credential
			c.RefreshToken, c.AccessToken, c.Expiry = "rt-late", s.jwt("late"), time.Now().Add(time.Hour)
			rec.Seq, rec.Note, s.current = rec.Seq+1, nil, "rt-late"
			data, _ = rec.Encode()
			store.Put(codexauth.DefaultKey, data)
		}()
		token := mustToken(t, m)
		if token.AccessToken.Reveal() != stored(t, store).Credential.AccessToken {
			t.Error("the late save was not adopted")
		}
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestNoteOfADeadProcessIsTriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.DeadNote(r, time.Now()) })
		began := time.Now()
		mustToken(t, newManager(t, s, store))
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v for a process that is certainly dead", waited)
		}
	})
}

func TestRestoredBackupSendsNothing(t *testing.T) {
	for rotations := 1; rotations <= 2; rotations++ {
		synctest.Test(t, func(t *testing.T) {
			s, store := newFake(), memory.New()
			m := signIn(t, s, store)
			backup, _ := store.Load(t.Context(), codexauth.DefaultKey)
			for range rotations {
				if _, err := m.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			store.Put(codexauth.DefaultKey, backup)
			if _, err := m.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "backup") {
				t.Errorf("error %v", err)
			}
			time.Sleep(2 * time.Hour)
			if _, err := m.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "backup") {
				t.Errorf("error %v", err)
			}
			if n, _ := s.counts(); n != rotations {
				t.Errorf("%d requests after %d rotations", n, rotations)
			}
		})
	}
}

func TestSignOutInMidRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.latency = 3 * time.Second
		m := newManager(t, s, store)
		go m.Token(context.Background())
		time.Sleep(time.Second)
		// It waits for the rotation, and revokes what that one brought.
		if err := newManager(t, s, store).SignOut(t.Context(), codexauth.SignOutOptions{}); err != nil {
			t.Fatal(err)
		}
		if len(s.revoked) != 1 || s.revoked[0] != "rt-1" {
			t.Errorf("revoked %v", s.revoked)
		}
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		if data, _ := store.Load(t.Context(), codexauth.DefaultKey); strings.Contains(string(data), "rt-") {
			t.Error("a token remains in the store")
		}
	})
}

func TestTombstoneUnderACutOffHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(int, map[string]any) (*http.Response, error) {
			// The holder's lock was lost meanwhile, and the person signed out.
			data, _ := store.Load(context.Background(), codexauth.DefaultKey)
			store.Put(codexauth.DefaultKey, codexauth.Edit(codexauth.DefaultKey, data, func(r *codexauth.Record) {
				*r = *codexauth.SignedOut(r)
			}))
			return nil, nil
		}
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		if len(s.revoked) != 1 || s.revoked[0] != "rt-1" {
			t.Errorf("what was received was not revoked: %v", s.revoked)
		}
	})
}

func TestNewSignInUnderACutOffHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		other := memory.New()
		signIn(t, newFake(), other)
		fresh, _ := other.Load(t.Context(), codexauth.DefaultKey)
		s.after = func(int, map[string]any) (*http.Response, error) {
			store.Put(codexauth.DefaultKey, fresh)
			return nil, nil
		}
		token := mustToken(t, newManager(t, s, store))
		now, _ := store.Load(t.Context(), codexauth.DefaultKey)
		if string(now) != string(fresh) {
			t.Error("the old login landed on the new one")
		}
		if token.AccessToken.Reveal() != stored(t, store).Credential.AccessToken {
			t.Error("the new login's token was not adopted")
		}
		if len(s.revoked) != 0 {
			t.Error("something was revoked while another login is stored")
		}
	})
}

func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{time.Hour, -time.Hour, 30 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s, store := newFake(), memory.New()
			s.skew = skew
			m := signIn(t, s, store)
			first := mustToken(t, m)
			time.Sleep(50 * time.Minute) // valid by the issuer's clock
			if token := mustToken(t, newManager(t, s, store)); !token.AccessToken.Equal(first.AccessToken) {
				t.Errorf("skew %v: refreshed too early", skew)
			}
			time.Sleep(15 * time.Minute)
			if token := mustToken(t, newManager(t, s, store)); token.AccessToken.Equal(first.AccessToken) {
				t.Errorf("skew %v: an expired token was served", skew)
			}
			if n, _ := s.counts(); n != 1 {
				t.Errorf("skew %v: %d requests", skew, n)
			}
		})
	}
}

// A record from the future means that the clock was set back: one refresh learns
// the issuer's clock, and that is all.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		s.skew = time.Hour // the issuer is right, we are an hour behind
		edit(t, store, func(r *codexauth.Record) {
			r.Credential.LastRefresh = time.Now().Add(time.Hour)
			r.Credential.Expiry = time.Now().Add(2 * time.Hour)
		})
		for range 5 {
			m := newManager(t, s, store)
			if _, err := m.FreshToken(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			m.Close()
		}
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
