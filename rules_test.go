package codexauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/frame"
	"codexauth/internal/process"
	"codexauth/store/memory"
)

// Who finds another machine's note waits fence, longest request and margin by its
// own clock, from when it found it: the writer's clock may be wrong by hours.
func TestWaitForANoteIsWhole(t *testing.T) {
	for name, since := range map[string]time.Duration{"by both clocks": 0, "an hour old": -time.Hour, "of tomorrow": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := expired(t, s)
				edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now().Add(since)) })
				began := time.Now()
				m := onBubbleTime(newManager(t, s, store))
				mustToken(t, m)
				if waited := time.Since(began); waited < 80*time.Second || waited > 82*time.Second {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}

// sleepyStore is one whose machine sleeps once, just after a record was read again.
type sleepyStore struct {
	*memory.Store
	sleep func()
}

func (s *sleepyStore) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.Store.Claim(ctx, key)
	return &sleepyClaim{c, s}, err
}

type sleepyClaim struct {
	codexauth.Claim
	s *sleepyStore
}

func (c *sleepyClaim) Reload(ctx context.Context) ([]byte, error) {
	data, err := c.Claim.Reload(ctx)
	if sleep := c.s.sleep; sleep != nil {
		c.s.sleep = nil
		sleep()
	}
	return data, err
}

// The wait may end while the machine sleeps, and the holder save meanwhile: one
// more look comes after the end of the wait.
func TestLastLookIsAfterTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.ForeignNote(r, time.Now()) })
		m := onBubbleTime(newManager(t, s, &sleepyStore{store, func() {
			time.Sleep(5 * time.Minute)
			saveLate(s, store)
		}}))
		token := mustToken(t, m)
		if token.AccessToken.Reveal() != stored(t, store).Credential.AccessToken {
			t.Error("the late save was not adopted")
		}
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// A record that is gone in mid-request is no sign-out: what comes back is kept.
func TestRecordDeletedInMidRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(int, map[string]any) (*http.Response, error) {
			store.Put(codexauth.DefaultKey, nil)
			return nil, nil
		}
		mustToken(t, newManager(t, s, store))
		if rec := stored(t, store); rec.Credential == nil || rec.Credential.RefreshToken != s.current {
			t.Error("the new refresh token is not stored")
		}
		if len(s.revoked) != 0 {
			t.Errorf("revoked %v", s.revoked)
		}
	})
}

// A refusal of the token whose successor waits in a rescue file ends nothing.
func TestRefusalBesideARescueFile(t *testing.T) {
	refused := func(r *codexauth.Record) { codexauth.Refuse(r) }
	t.Run("remembered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			store, _, rescue := spilled(t, s)
			edit(t, store, refused)
			mustToken(t, newManager(t, s, store, rescue))
			if n, reuses := s.counts(); n != 1 || reuses != 0 {
				t.Errorf("%d requests, %d reuses", n, reuses)
			}
		})
	})
	t.Run("during a wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			broken, _, rescue := spilled(t, s)
			store := &watchedStore{Store: broken.Store}
			claim, err := store.Claim(t.Context(), codexauth.DefaultKey)
			must(t, err)
			go func() {
				time.Sleep(5 * time.Second)
				must(t, claim.Commit(context.Background(), codexauth.Edit(codexauth.DefaultKey, claim.Record(), refused)))
				time.Sleep(5 * time.Second)
				must(t, claim.Release())
			}()
			mustToken(t, newManager(t, s, store, rescue))
			if n, reuses := s.counts(); n != 1 || reuses != 0 {
				t.Errorf("%d requests, %d reuses", n, reuses)
			}
		})
	})
}

// Where nobody was reached nothing is spent: the note goes, and nobody waits.
func TestNoteGoesWhereNobodyWasReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		m := newManager(t, s, store, func(c *codexauth.Config) {
			c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.Path, ".well-known") {
					return s.RoundTrip(r)
				}
				return nil, errors.New("connection refused")
			})}
		})
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if rec := stored(t, store); rec.Note != nil {
			t.Errorf("note %+v", rec.Note)
		}
		mustToken(t, newManager(t, s, store))
	})
}

// A login that the server has refused is not handed to another program.
func TestRefusedLoginIsNotHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { codexauth.Refuse(r) })
		before := stored(t, store)
		err := newManager(t, s, store).HandOver(t.Context(), func(codexauth.Credential) error { t.Error("delivered"); return nil }, nil)
		wantErr(t, err, codexauth.ErrRefused)
		if after := stored(t, store); after.Rev != before.Rev {
			t.Error("the record was changed")
		}
	})
}

// Who lost the record before anything was sent reads it again and begins again.
func TestLostNoteIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		once := true
		store.commit = func(_ context.Context, _ []byte, commit func() error) error {
			if once { // the lock was lost, and somebody has written the record
				once = false
				data, _ := store.Load(context.Background(), codexauth.DefaultKey)
				store.Put(codexauth.DefaultKey, codexauth.Edit(codexauth.DefaultKey, data, func(*codexauth.Record) {}))
			}
			return commit()
		}
		mustToken(t, newManager(t, s, store))
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

// The authorization server's own error tells what time it is there, too.
func TestErrorTeachesTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.skew = time.Hour
		s.before = func(int) (*http.Response, error) {
			return s.json(400, map[string]any{"error": "temporarily_unavailable"}), nil
		}
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		host, _ := os.Hostname()
		if ms := stored(t, store).Skew[host]; ms != time.Hour.Milliseconds() {
			t.Errorf("skew %v ms", ms)
		}
	})
}

// An answer that keeps the refresh token is a new state all the same: whoever waits
// for one that is newer than its own adopts it.
func TestKeptRefreshTokenIsANewState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(_ int, g map[string]any) (*http.Response, error) {
			delete(g, "refresh_token")
			s.current = "rt-login1-0"
			return nil, nil
		}
		before := stored(t, store)
		mustToken(t, newManager(t, s, store))
		after := stored(t, store)
		if after.Seq != before.Seq+1 || after.Credential.RefreshToken != before.Credential.RefreshToken {
			t.Errorf("state %d after %d", after.Seq, before.Seq)
		}
		err := codexauth.Rotate(t.Context(), newManager(t, s, store), codexauth.Need{Force: true, Login: before.Login, Seq: before.Seq})
		if err != nil {
			t.Error(err)
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// The note tells all by which others judge whether its writer lives.
func TestNoteTellsItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		pid := os.Getpid()
		host, _ := os.Hostname()
		s.before = func(int) (*http.Response, error) {
			rec := stored(t, store)
			n := rec.Note
			if n == nil || n.Host != host || n.PID != pid || n.Machine != process.Machine() || n.Started != process.Start(pid) || n.Since != time.Now().UTC() {
				t.Errorf("note %+v", n)
			}
			return nil, nil
		}
		mustToken(t, newManager(t, s, store))
	})
}

// A timer that goes off much too late means that the process stood still: the
// answer may have come meanwhile, and there is time to read it.
func TestPatienceAfterAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := time.Duration(0)
		sleep := func(ctx context.Context, d time.Duration) error {
			select {
			case <-time.After(d + stopped):
				stopped = 0
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for name, stop := range map[string]time.Duration{"none": 0, "five minutes": 5 * time.Minute} {
			stopped = stop
			began, ends := time.Now(), time.Minute
			if stop > 0 {
				ends += stop + 15*time.Second
			}
			ctx, cancel := codexauth.PatientTimeout(t.Context(), time.Minute, sleep)
			<-ctx.Done()
			if took := time.Since(began); took != ends || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				t.Errorf("a stop of %s: it ended after %v with %v", name, took, context.Cause(ctx))
			}
			cancel()
		}
	})
}

// brokenBody is an answer whose connection breaks after the last byte of the JSON.
type brokenBody struct{ io.Reader }

func (brokenBody) Close() error { return nil }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// An answer that is whole counts, however its connection ended.
func TestAnswerWhoseConnectionBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.after = func(_ int, g map[string]any) (*http.Response, error) {
			answer := s.json(200, g)
			answer.Body = brokenBody{answer.Body}
			return answer, nil
		}
		mustToken(t, newManager(t, s, store))
		if rec := stored(t, store); rec.Credential.RefreshToken != s.current {
			t.Error("the new refresh token is not stored")
		}
	})
}

// What a holder that is dead has left is looked for before its token is tried again.
func TestRescueFileOfADeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store, _, rescue := spilled(t, s)
		edit(t, store, func(r *codexauth.Record) { r.Note.Ended = time.Now() })
		mustToken(t, newManager(t, s, store, rescue))
		if n, reuses := s.counts(); n != 1 || reuses != 0 {
			t.Errorf("%d requests, %d reuses", n, reuses)
		}
	})
}

// What the store does not take goes to two places, sealed as the store is.
func TestSpillIsTwoSealedCopies(t *testing.T) {
	home := t.TempDir()
	for name, value := range map[string]string{
		"HOME": home, "TMPDIR": t.TempDir(), "XDG_STATE_HOME": "", "XDG_CACHE_HOME": "", "XDG_RUNTIME_DIR": t.TempDir(),
		"LocalAppData": home, "USERPROFILE": home, "TMP": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = failAfterNote(func(int) error { return errors.New("read-only file system") })
		m := newManager(t, s, store, inPlace(""), func(c *codexauth.Config) { c.Sealer = toySealer{1} })
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSaved)
		m.Close()
		copies := 0
		for _, place := range m.RescuePlaces(t.Context()) {
			for path := range place.Files {
				copies++
				data, err := os.ReadFile(path)
				must(t, err)
				if !frame.Sealed(data) || strings.Contains(string(data), s.current) {
					t.Errorf("%s is not sealed", path)
				}
			}
		}
		if copies != 2 {
			t.Errorf("%d copies", copies)
		}
		store.commit = nil
	})
}
