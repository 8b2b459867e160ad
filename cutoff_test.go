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

func TestUnknownOutcomeKeepsTheNoteAndTellsTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		spent := s.badGateway(1)
		s.after = func(n int, _ map[string]any) (*http.Response, error) { return spent(n) }
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrUnknownOutcome)
		if rec := stored(t, store); rec.Note == nil || rec.Note.Ended.IsZero() {
			t.Fatal("the note is gone, or is not marked as ended")
		}
		_, err = newManager(t, s, store).Token(t.Context()) // after the back-off the same token is tried once more
		wantErr(t, err, codexauth.ErrRefused)
		var refused *codexauth.RefusedError
		if !errors.As(err, &refused) || refused.CutOff == nil || refused.CutOff.PID != os.Getpid() {
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
		spent := s.badGateway(1)
		s.after = func(n int, _ map[string]any) (*http.Response, error) { return spent(n) }
		s.before = s.badGateway(2)
		first := time.Now()
		for range 2 {
			_, err := newManager(t, s, store).Token(t.Context())
			wantErr(t, err, codexauth.ErrUnknownOutcome)
			time.Sleep(5 * time.Minute)
		}
		_, err := newManager(t, s, store).Token(t.Context())
		var refused *codexauth.RefusedError
		if !errors.As(err, &refused) || refused.CutOff == nil || !refused.CutOff.Since.Equal(first) {
			t.Errorf("the report does not name the attempt of %v: %v", first, err)
		}
	})
}

func TestNoteOfAnotherMachineIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		began := time.Now()
		m := onBubbleTime(newManager(t, s, store))
		mustToken(t, m)
		if waited := time.Since(began); waited < 70*time.Second || waited > 100*time.Second {
			t.Errorf("waited %v for a holder that may only be cut off", waited)
		}
	})
}

// saveLate is what a cut-off holder does, by comparing the record, without the claim.
func saveLate(s *fakeServer, store *memory.Store) {
	data, _ := store.Load(context.Background(), codexauth.DefaultKey)
	rec, _ := codexauth.DecodeRecord(codexauth.DefaultKey, data)
	c := rec.Credential
	c.RefreshToken, c.AccessToken, c.Expiry = "rt-late", s.jwt("late"), time.Now().Add(time.Hour)
	rec.Seq, rec.Note, s.current = rec.Seq+1, nil, "rt-late"
	data, _ = rec.Encode()
	store.Put(codexauth.DefaultKey, data)
}

// A refusal is believed only if the record still is the one that was refused.
func TestLateSaveOutdoesARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.before = func(int) (*http.Response, error) {
			saveLate(s, store)
			return s.refusal("refresh_token_reused"), nil
		}
		token := mustToken(t, newManager(t, s, store))
		if token.AccessToken.Reveal() != stored(t, store).Credential.AccessToken {
			t.Error("the late save was not adopted")
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// Whose attempt has failed waits for no answer to it, even if the store did not
// take the outcome.
func TestOwnFailureIsNotWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		commits := 0
		store := &brokenStore{Store: expired(t, s)}
		store.commit = func(_ context.Context, _ []byte, commit func() error) error {
			if commits++; commits == 2 { // the outcome
				return errors.New("no space left on device")
			}
			return commit()
		}
		s.before = s.badGateway(1)
		began := time.Now()
		m := onBubbleTime(newManager(t, s, store))
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrUnknownOutcome)
		mustToken(t, m)
		if waited := time.Since(began); waited > 5*time.Second {
			t.Errorf("waited %v for itself", waited)
		}
	})
}

func TestLateSaveOfACutOffHolderIsAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		m := onBubbleTime(newManager(t, s, store))
		go func() {
			time.Sleep(20 * time.Second)
			saveLate(s, store)
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

// A note about a token that is no longer the stored one keeps nobody waiting.
func TestNoteOfAnOlderTokenIsNotWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) {
			codexauth.ForeignNote(r, time.Now())
			r.Note.Token = "another"
		})
		began := time.Now()
		mustToken(t, newManager(t, s, store))
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v", waited)
		}
	})
}

// While the old token is valid nobody tries what a cut-off holder may have spent.
func TestNoteIsLeftAloneWhileTheTokenIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		signIn(t, s, store)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		_, err := newManager(t, s, store).Refresh(t.Context())
		wantErr(t, err, codexauth.ErrBusy)
		mustToken(t, newManager(t, s, store))
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// The cut-off holder could not save, but it left a rescue file: who waits for it
// takes that one.
func TestRescueFileOfACutOffHolderEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		data, _ := store.Load(t.Context(), codexauth.DefaultKey)
		away := &brokenStore{Store: memory.New(), commit: failAfterNote(func(int) error { return errors.New("cut off") })}
		away.Put(codexauth.DefaultKey, data)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		dir := filepath.Join(t.TempDir(), "rescue")
		rescue := func(c *codexauth.Config) { c.RescueDir = dir }
		holder := newManager(t, s, away, rescue)
		began := time.Now()
		m := onBubbleTime(newManager(t, s, store, rescue))
		go func() {
			time.Sleep(20 * time.Second)
			holder.Token(context.Background())
		}()
		mustToken(t, m)
		if waited := time.Since(began); waited > 25*time.Second {
			t.Errorf("waited %v", waited)
		}
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
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

// A backup that is restored in mid-refresh does not outdo what the refresh brings.
func TestBackupRestoredInMidRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newFake(), memory.New()
		m := signIn(t, s, store)
		backup, _ := store.Load(t.Context(), codexauth.DefaultKey)
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		s.after = func(int, map[string]any) (*http.Response, error) {
			store.Put(codexauth.DefaultKey, backup)
			return nil, nil
		}
		mustToken(t, newManager(t, s, store))
		if rec := stored(t, store); rec.Credential.RefreshToken != s.current {
			t.Error("the backup's refresh token is spent, and it is the one that is stored")
		}
	})
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
		if err := newManager(t, s, store).SignOut(t.Context(), false); err != nil {
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

// Somebody signed in again and out again: the answer that comes late belongs to
// neither, and revoking it is the business of who signed in.
func TestOtherTombstoneUnderACutOffHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		other, theirs := memory.New(), newFake()
		if err := signIn(t, theirs, other).SignOut(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		tombstone, _ := other.Load(t.Context(), codexauth.DefaultKey)
		s.after = func(int, map[string]any) (*http.Response, error) {
			store.Put(codexauth.DefaultKey, tombstone)
			return nil, nil
		}
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrSignedOut)
		if len(s.revoked) != 0 {
			t.Errorf("revoked %v", s.revoked)
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
