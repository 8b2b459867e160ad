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

// While the lessor is down the present token is served, and the lessor is asked
// less and less often; when it is back, it is soon asked.
func TestLessorIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, _ := newLessee(t, s)
		first := mustToken(t, m)
		time.Sleep(56*time.Minute + 10*time.Second) // due, wherever the jitter lies
		l.fail(errDown)
		before := l.asked.Load()
		for range 1800 { // three minutes
			if !mustToken(t, m).AccessToken.Equal(first.AccessToken) {
				t.Fatal("another token out of nowhere")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := l.asked.Load() - before; n < 4 || n > 20 {
			t.Errorf("asked %d times in three minutes", n)
		}
		time.Sleep(time.Minute) // now it has ended
		before = l.asked.Load()
		failures := 0
		for began := time.Now(); time.Since(began) < 3*time.Minute; time.Sleep(10 * time.Millisecond) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := m.Token(ctx); err == nil {
				t.Fatal("a token that has ended was served")
			}
			cancel()
			failures++
		}
		if n := l.asked.Load() - before; n > 20 || failures < 20 {
			t.Errorf("asked %d times for %d calls", n, failures)
		}
		l.fail(nil)
		time.Sleep(time.Minute)
		if mustToken(t, m).AccessToken.Equal(first.AccessToken) {
			t.Error("no new token when the lessor was back")
		}
	})
}

// A first failure is told at once; during a short back-off a caller without a
// token waits rather than fails, and one attempt serves all.
func TestLessorRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, _ := newLessee(t, s)
		l.fail(errDown)
		began := time.Now()
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if time.Since(began) != 0 || !strings.Contains(err.Error(), "nobody is there; try again in") {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		l.fail(nil)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { mustToken(t, m) })
		}
		wg.Wait()
		if n := l.asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		if waited := time.Since(began); waited > 2*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// What needs a person is told as it is, and the lessor is not asked at each call.
func TestLessorIsSignedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, keeper := newLessee(t, s)
		if err := keeper.SignOut(t.Context(), codexauth.SignOutOptions{}); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			_, err := m.Token(t.Context())
			wantErr(t, err, codexauth.ErrSignedOut)
		}
		if n := l.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		if s, err := m.Status(t.Context()); err != nil || s.State != codexauth.StateSignedOut {
			t.Errorf("%v, %v", s, err)
		}
		signInAgain(t, keeper)
		time.Sleep(time.Minute)
		mustToken(t, m)
	})
}

func signInAgain(t *testing.T, m *codexauth.Manager) {
	t.Helper()
	if _, err := m.SignIn(t.Context(), codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{}); err != nil {
		t.Fatal(err)
	}
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

// A lessor that does not answer is given up, and Close does not wait for it.
func TestLessorHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		m, l, _ := newLessee(t, s)
		l.latency = time.Hour
		began := time.Now()
		_, err := m.Token(t.Context())
		wantErr(t, err, codexauth.ErrTransient)
		if time.Since(began) != 30*time.Second {
			t.Errorf("waited %v", time.Since(began))
		}
		time.Sleep(time.Minute)
		done := make(chan error)
		go func() { _, err := m.Token(t.Context()); done <- err }()
		time.Sleep(time.Second)
		began = time.Now()
		m.Close()
		if err := <-done; !errors.Is(err, codexauth.ErrClosed) || time.Since(began) != 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
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

// bareLessor returns what a simple Lessor may: a token and its end.
type bareLessor struct {
	token codexauth.Token
	due   time.Time
	err   error
}

func (l bareLessor) Lease(context.Context, codexauth.LeaseRequest) (codexauth.Lease, error) {
	return codexauth.Lease{Token: l.token, Due: l.due}, l.err
}

func TestBareLessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token := codexauth.Token{AccessToken: codexauth.NewSecret("a.b.c"), AccountID: "acc", Expiry: time.Now().Add(time.Hour), FedRAMP: true}
		m := lessee(t, bareLessor{token: token})
		if got := mustToken(t, m); got != token {
			t.Errorf("%v", got)
		}
		s, err := m.Status(t.Context())
		if err != nil || s.State != codexauth.StateValid || s.Account.ID != "acc" || !s.ExpiresAt.Equal(token.Expiry) {
			t.Errorf("%+v, %v", s, err)
		}
		due := lessee(t, bareLessor{token: token, due: time.Now().Add(-time.Second)})
		mustToken(t, due)
		synctest.Wait() // the one that it asked for behind is no better
		if !codexauth.NotUntil(due).After(time.Now()) {
			t.Error("every call asks for a better token")
		}
		m.Invalidate(token) // and it has no other
		if got := mustToken(t, m); got != token {
			t.Errorf("%v", got)
		}
		for _, bad := range []codexauth.Token{{}, {Expiry: token.Expiry, AccountID: "acc"}, {AccessToken: token.AccessToken, AccountID: "acc"}} {
			if got, err := lessee(t, bareLessor{token: bad}).Token(t.Context()); err == nil {
				t.Errorf("%v passes", got)
			}
		}
		for state, err := range map[codexauth.State]error{codexauth.StateSignedOut: codexauth.ErrSignedOut, codexauth.StateRefused: codexauth.ErrRefused} {
			if s, err := lessee(t, bareLessor{err: err}).Status(t.Context()); err != nil || s.State != state {
				t.Errorf("%v, %v", s, err)
			}
		}
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
		_, imported := m.Import(ctx, codexauth.Credential{AccessToken: codexauth.NewSecret(s.jwt("x")), RefreshToken: codexauth.NewSecret("r")}, codexauth.ImportOptions{})
		for _, err := range []error{signIn, imported, m.SignOut(ctx, codexauth.SignOutOptions{}), m.HandOver(ctx, nil, nil)} {
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "where the broker runs") {
				t.Errorf("%v", err)
			}
		}
		l := bareLessor{}
		for i, cfg := range []codexauth.Config{
			{}, {Store: memory.New(), Lessor: l}, {Lessor: l, OnEvent: func(codexauth.Event) {}},
			{Lessor: l, Delegate: func(context.Context, codexauth.Need) error { return nil }},
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
