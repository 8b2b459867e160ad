package codexauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// fakeLessor counts how often it is asked, and may be down or slow.
type fakeLessor struct {
	codexauth.Lessor
	asked   atomic.Int32
	latency time.Duration
	down    atomic.Pointer[error]
}

func (l *fakeLessor) Lease(ctx context.Context, r codexauth.LeaseRequest) (codexauth.Lease, error) {
	l.asked.Add(1)
	select {
	case <-time.After(l.latency):
	case <-ctx.Done():
		return codexauth.Lease{}, ctx.Err()
	}
	if err := l.down.Load(); err != nil {
		return codexauth.Lease{}, *err
	}
	return l.Lessor.Lease(ctx, r)
}

func (l *fakeLessor) fail(err error) {
	if err == nil {
		l.down.Store(nil)
		return
	}
	l.down.Store(&err)
}

var errDown = &codexauth.RetryError{Err: errors.New("nobody is there")}

// newLessee makes a Manager that leases of a login of the fake server.
func newLessee(t *testing.T, s *fakeServer, edits ...func(*codexauth.Config)) (m *codexauth.Manager, l *fakeLessor, keeper *codexauth.Manager) {
	t.Helper()
	keeper = signIn(t, s, memory.New())
	l = &fakeLessor{Lessor: keeper}
	return lessee(t, l, edits...), l, keeper
}

func lessee(t *testing.T, l codexauth.Lessor, edits ...func(*codexauth.Config)) *codexauth.Manager {
	t.Helper()
	cfg := codexauth.Config{Lessor: l, Provider: codexauth.Provider{Issuer: issuer}, Lazy: true}
	for _, edit := range edits {
		edit(&cfg)
	}
	m, err := codexauth.NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestLeaseIsServedFromMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, keeper := newLessee(t, s)
		l.latency = time.Second
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { mustToken(t, m) })
		}
		wg.Wait()
		first := mustToken(t, m)
		if kept := mustToken(t, keeper); first != kept || first.AccountID != "acc-1" || first.Expiry.IsZero() {
			t.Errorf("leased %v of %v", first, kept)
		}
		if n := l.asked.Load(); n != 1 {
			t.Errorf("the lessor was asked %d times for one token", n)
		}
		if n := testing.AllocsPerRun(100, func() { m.Token(t.Context()) }); n != 0 {
			t.Errorf("%v allocations for a leased token at hand", n)
		}
	})
}

// A due token is served while one lease runs; the one that comes is used.
func TestDueLeaseIsRenewedBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, _ := newLessee(t, s)
		first := mustToken(t, m)
		time.Sleep(57 * time.Minute)
		l.latency = 2 * time.Second
		began := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if !mustToken(t, m).AccessToken.Equal(first.AccessToken) {
					t.Error("a due token was not served while it was valid")
				}
			})
		}
		wg.Wait()
		if time.Since(began) != 0 {
			t.Errorf("callers waited %v", time.Since(began))
		}
		// The keeper refreshes behind, too: at the second lease it has the new one.
		for range 60 {
			time.Sleep(time.Second)
			mustToken(t, m)
		}
		if mustToken(t, m).AccessToken.Equal(first.AccessToken) {
			t.Error("no new token came")
		}
		if n, _ := s.counts(); n != 1 || l.asked.Load() > 4 {
			t.Errorf("%d refreshes, %d leases", n, l.asked.Load())
		}
	})
}

// Without anybody who asks, too: the timer does.
func TestLeaseIsRenewedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		keeper := newManager(t, s, memory.New(), func(c *codexauth.Config) { c.Lazy = false })
		if _, err := keeper.SignIn(t.Context(), codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{}); err != nil {
			t.Fatal(err)
		}
		l := &fakeLessor{Lessor: keeper}
		m := lessee(t, l, func(c *codexauth.Config) { c.Lazy = false })
		first := mustToken(t, m)
		time.Sleep(59 * time.Minute)
		l.fail(errDown)
		if mustToken(t, m).AccessToken.Equal(first.AccessToken) {
			t.Error("the token was not renewed in its time")
		}
	})
}

// The backend's 401 leads to another token, for one refresh, whoever of several
// lessees comes first; a backend that always says 401 does not spend on.
func TestLeaseAfterA401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, keeper := newLessee(t, s)
		other := lessee(t, l)
		first := mustToken(t, m)
		if !mustToken(t, other).AccessToken.Equal(first.AccessToken) {
			t.Fatal("not the same token")
		}
		time.Sleep(time.Minute)
		m.Invalidate(first)
		second := mustToken(t, m)
		other.Invalidate(first)
		if second.AccessToken.Equal(first.AccessToken) || !mustToken(t, other).AccessToken.Equal(second.AccessToken) {
			t.Error("not one new token for both")
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		for range 5 {
			if !mustToken(t, keeper).AccessToken.Equal(second.AccessToken) {
				t.Fatal("one lessee's word took the keeper's token away")
			}
			m.Invalidate(second)
			if !mustToken(t, m).AccessToken.Equal(second.AccessToken) {
				t.Fatal("a third token at once")
			}
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d refreshes", n)
		}
		time.Sleep(time.Minute)
		for _, lessee := range []*codexauth.Manager{m, other} {
			lessee.Invalidate(second)
			if !mustToken(t, lessee).AccessToken.Equal(second.AccessToken) {
				t.Error("a third token for what no second one helped")
			}
		}
	})
}

func TestLeaseTransportRecoversFromA401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, _, _ := newLessee(t, s)
		refused := mustToken(t, m).AccessToken.Reveal()
		time.Sleep(time.Minute)
		var seen []string
		hc := &http.Client{Transport: m.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			seen = append(seen, strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "))
			if seen[len(seen)-1] == refused {
				return s.reply(401, "no"), nil
			}
			return s.reply(200, "yes"), nil
		}))}
		resp, err := hc.Get(issuer + "/backend-api/codex/models")
		if err != nil || resp.StatusCode != 200 || len(seen) != 2 {
			t.Errorf("%v, %v, sent %d times", resp, err, len(seen))
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestLeaseRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, _ := newLessee(t, s)
		time.Sleep(time.Minute)
		first, err := m.Refresh(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := s.counts(); n != 1 || l.asked.Load() != 2 {
			t.Errorf("%d refreshes, %d leases", n, l.asked.Load())
		}
		time.Sleep(time.Minute)
		second, err := m.Refresh(t.Context())
		if err != nil || second.AccessToken.Equal(first.AccessToken) {
			t.Errorf("the same token, or %v", err)
		}
		if n, _ := s.counts(); n != 2 {
			t.Errorf("%d refreshes", n)
		}
		l.fail(errDown)
		if _, err = m.Refresh(t.Context()); !errors.Is(err, codexauth.ErrTransient) {
			t.Errorf("%v", err)
		}
		if !mustToken(t, m).AccessToken.Equal(second.AccessToken) {
			t.Error("a refresh that failed took the token away")
		}
	})
}

// A wish for a token that lasts is passed on, and does not cost a refresh at
// every call.
func TestLeaseMinValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, _ := newLessee(t, s)
		mustToken(t, m)
		time.Sleep(35 * time.Minute)
		for range 3 {
			token, err := m.FreshToken(t.Context(), 30*time.Minute)
			if err != nil || time.Until(token.Expiry) < 55*time.Minute {
				t.Errorf("%v, %v", token, err)
			}
		}
		if n, _ := s.counts(); n != 1 || l.asked.Load() != 2 {
			t.Errorf("%d refreshes, %d leases", n, l.asked.Load())
		}
		for range 20 {
			time.Sleep(time.Second)
			if token, err := m.FreshToken(t.Context(), 59*time.Minute+59*time.Second); err != nil || time.Until(token.Expiry) < 50*time.Minute {
				t.Errorf("%v, %v", token, err)
			}
		}
		if n, _ := s.counts(); n != 1 {
			t.Errorf("%d refreshes for a wish that can't be met", n)
		}
	})
}

// A token of another issuer would be shown to the wrong backend.
func TestLeaseOfAnotherIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, _, _ := newLessee(t, s, func(c *codexauth.Config) { c.Provider = codexauth.Provider{} })
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrOtherLogin)
		_, err = m.Status(t.Context())
		wantErr(t, err, codexauth.ErrOtherLogin)
	})
}

// A lessee of a lessee: what it asks for goes all the way.
func TestLeaseOfALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		middle, _, keeper := newLessee(t, s)
		m := lessee(t, middle)
		first := mustToken(t, m)
		time.Sleep(time.Minute)
		m.Invalidate(first)
		second := mustToken(t, m)
		if second.AccessToken.Equal(first.AccessToken) || !second.AccessToken.Equal(mustToken(t, keeper).AccessToken) {
			t.Error("not the keeper's new token")
		}
		if st, err := m.Status(t.Context()); err != nil || st.State != codexauth.StateValid || st.Account.ID != "acc-1" {
			t.Errorf("%v, %v", st, err)
		}
	})
}

func TestWhatALesseeCantDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, _, _ := newLessee(t, s)
		ctx := t.Context()
		_, signIn := m.SignIn(ctx, codexauth.Grant{}, codexauth.SignInOptions{})
		_, imported := m.Import(ctx, codexauth.Credential{AccessToken: codexauth.NewSecret(s.jwt("x")), RefreshToken: codexauth.NewSecret("r")}, codexauth.SignInOptions{})
		for _, err := range []error{signIn, imported, m.SignOut(ctx, false), m.HandOver(ctx, nil, nil)} {
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "where the broker runs") {
				t.Errorf("%v", err)
			}
		}
		l := bareLessor{}
		for i, cfg := range []codexauth.Config{
			{}, {Store: memory.New(), Lessor: l}, {Lessor: l, OnEvent: func(codexauth.Event) {}},
			{Lessor: l, Delegate: func(context.Context, []byte, bool) error { return nil }},
		} {
			if _, err := codexauth.NewManager(cfg); err == nil {
				t.Errorf("config %d passes", i)
			}
		}
	})
}

func TestManagerLeaseChecksItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m := signIn(t, s, memory.New())
		for _, not := range []string{"abc", "zz", hex.EncodeToString([]byte("short"))} {
			if _, err := m.Lease(t.Context(), codexauth.LeaseRequest{NotSHA256: not}); err == nil {
				t.Errorf("%q passes", not)
			}
		}
		got, err := m.Lease(t.Context(), codexauth.LeaseRequest{NotSHA256: fmt.Sprintf("%X", sha256.Sum256([]byte("another")))})
		if err != nil || got.Issuer != issuer || got.End.Sub(got.Due) != 5*time.Minute || !got.End.Equal(got.Token.Expiry) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
