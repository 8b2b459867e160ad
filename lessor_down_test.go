package codexauth_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

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
		if err := keeper.SignOut(t.Context(), false); err != nil {
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

func signInAgain(t *testing.T, m *codexauth.Manager) {
	t.Helper()
	if _, err := m.SignIn(t.Context(), codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{}); err != nil {
		t.Fatal(err)
	}
}
