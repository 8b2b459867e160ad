package codexauth_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// A server that answers after the time of a request does not cost the login: who
// waits is told that the outcome is unknown, nobody else asks, and the answer is
// saved when it comes.
func TestLateAnswerIsSaved(t *testing.T) {
	for _, latency := range []time.Duration{65 * time.Second, 200 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake()
			store := expired(t, s)
			s.latency = latency
			holder := newManager(t, s, store)
			began := time.Now()
			_, err := holder.Token(t.Context())
			wantErr(t, err, codexauth.ErrUnknownOutcome)
			if took := time.Since(began); took > 61*time.Second {
				t.Errorf("told after %v", took)
			}
			if rec := stored(t, store); rec.Note == nil || !rec.Note.Ended.IsZero() {
				t.Fatal("the note does not say that an answer is waited for")
			}
			_, err = newManager(t, s, store, func(c *codexauth.Config) { c.Patience = time.Second }).Token(t.Context())
			wantErr(t, err, codexauth.ErrTransient)
			_, err = holder.Token(t.Context())
			wantErr(t, err, codexauth.ErrUnknownOutcome)
			if err := holder.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != latency {
				t.Errorf("it ended after %v", took)
			}
			mustToken(t, holder)
			mustToken(t, newManager(t, s, store))
			if n, reuses := s.counts(); n != 1 || reuses != 0 {
				t.Errorf("%d requests, %d reuses", n, reuses)
			}
		})
	}
}

// hungProxy takes requests for the token endpoint and gets no connection for them.
type hungProxy struct{ *fakeServer }

func (p hungProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.URL.Path, "/token") {
		return p.fakeServer.RoundTrip(req)
	}
	<-req.Context().Done()
	if n, err := req.Body.Read(make([]byte, 1)); n > 0 || err == nil {
		return nil, errors.New("the token can leave after all")
	}
	return nil, req.Context().Err()
}

// Where a request never got a connection its token is not spent: that is told, and
// no note keeps the next one waiting.
func TestNoConnectionIsNoUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		m := newManager(t, s, store, func(c *codexauth.Config) { c.HTTPClient = &http.Client{Transport: hungProxy{s}} })
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if errors.Is(err, codexauth.ErrUnknownOutcome) || !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("it says %v", err)
		}
		if rec := stored(t, store); rec.Note != nil {
			t.Errorf("a note is left: %+v", rec.Note)
		}
		time.Sleep(time.Minute) // the back-off
		mustToken(t, newManager(t, s, store))
	})
}

// Close does not wait for a server that does not answer in time.
func TestCloseEndsAnOverdueWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		s.latency = 24 * time.Hour
		m := newManager(t, s, store)
		go m.Token(context.Background())
		time.Sleep(time.Second)
		began := time.Now()
		m.Close()
		if took := time.Since(began); took != 59*time.Second {
			t.Errorf("it took %v", took)
		}
		if rec := stored(t, store); rec.Note == nil || rec.Note.Ended.IsZero() {
			t.Error("the note does not say that nobody waits any more")
		}
	})
}

// A Manager whose store takes the new token only after minutes, and that has no
// place for a rescue file, keeps it: it tries again by itself, at each call and at
// Close.
func TestUnsavedSuccessorIsKept(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *codexauth.Manager){
		"by itself": func(t *testing.T, _ *codexauth.Manager) { time.Sleep(2 * time.Minute) },
		"at a call": func(t *testing.T, m *codexauth.Manager) { mustToken(t, m) },
		"at Close":  func(t *testing.T, m *codexauth.Manager) { m.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				var full atomic.Bool
				full.Store(true)
				store := &brokenStore{Store: expired(t, s)}
				store.commit = failAfterNote(func(int) error {
					if full.Load() {
						return errors.New("no space left on device")
					}
					return nil
				})
				m := newManager(t, s, store, inPlace(filepath.Join(t.TempDir(), "no", "such", "place")))
				_, err := m.Token(t.Context())
				wantErr(t, err, codexauth.ErrNotSaved)
				time.Sleep(10*time.Minute + 3*time.Second) // not when it tries by itself
				_, err = m.Token(t.Context())
				wantErr(t, err, codexauth.ErrNotSaved)
				full.Store(false)
				began := time.Now()
				end(t, m)
				if took := time.Since(began); name != "by itself" && took != 0 {
					t.Errorf("it took %v", took)
				}
				if rec := stored(t, store); rec.Credential.RefreshToken != s.current {
					t.Error("the new token is not in the store")
				}
				if n, reuses := s.counts(); n != 1 || reuses != 0 {
					t.Errorf("%d requests, %d reuses", n, reuses)
				}
			})
		})
	}
}

// reservingStore is one whose claims can reserve, or fail to.
type reservingStore struct {
	*memory.Store
	fail     error
	reserved int
}

func (s *reservingStore) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.Store.Claim(ctx, key)
	return &reservingClaim{c, s}, err
}

type reservingClaim struct {
	codexauth.Claim
	s *reservingStore
}

func (c *reservingClaim) Reserve(context.Context, int) error {
	if c.s.fail == nil {
		c.s.reserved++
	}
	return c.s.fail
}

// Room for the note and for the answer is reserved before anything is sent; where
// there is none nothing is sent, nothing is noted, and the error says so.
func TestNothingIsSentWithoutRoomForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &reservingStore{Store: expired(t, s), fail: syscall.ENOSPC}
		before, _ := store.Load(t.Context(), codexauth.DefaultKey)
		_, err := newManager(t, s, store).Token(t.Context())
		wantErr(t, err, syscall.ENOSPC)
		if !strings.Contains(err.Error(), "nothing was sent") {
			t.Errorf("error %v", err)
		}
		if now, _ := store.Load(t.Context(), codexauth.DefaultKey); string(now) != string(before) {
			t.Error("a note was left")
		}
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests", n)
		}
		store.fail = nil
		mustToken(t, newManager(t, s, store))
		if store.reserved != 2 {
			t.Errorf("%d commits were made sure of", store.reserved)
		}
	})
}

// smallSealer can't seal what is as large as an answer can be.
type smallSealer struct{ toySealer }

var errTooLarge = errors.New("too large")

func (s smallSealer) Seal(plain []byte) ([]byte, error) {
	if len(plain) > 300<<10 {
		return nil, errTooLarge
	}
	return s.toySealer.Seal(plain)
}

// The largest answer is encoded and sealed before anything is sent.
func TestLargestAnswerIsRehearsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		_, err := newManager(t, s, expired(t, s), func(c *codexauth.Config) { c.Sealer = smallSealer{toySealer{1}} }).Token(t.Context())
		wantErr(t, err, errTooLarge)
		if n, _ := s.counts(); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}
