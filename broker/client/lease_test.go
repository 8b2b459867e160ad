package client_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/broker"
	"codexauth/broker/client"
	"codexauth/sandbox"
)

func TestLease(t *testing.T) {
	r := newRig(t)
	kept := mustToken(t, r.keeper)
	clients := []*client.Client{r.client(t, r.leaseKey)}
	if r.socket != "" {
		clients = append(clients, newClient(t, r.socket, client.Options{}))
	}
	for _, c := range clients {
		m := r.manager(t, c)
		got := mustToken(t, m)
		if !got.AccessToken.Equal(kept.AccessToken) || got.AccountID != kept.AccountID || !got.Expiry.Equal(kept.Expiry.Truncate(time.Second)) {
			t.Errorf("%v, kept is %v", got, kept)
		}
		l, err := c.Lease(t.Context(), codexauth.LeaseRequest{})
		must(t, err)
		if l.Issuer != r.provider.Issuer || time.Until(l.End) < 59*time.Minute || l.End.Sub(l.Due).Round(10*time.Second) != 5*time.Minute {
			t.Errorf("%v until %v, due %v", l.Issuer, l.End, l.Due)
		}
		s, err := m.Status(t.Context())
		if err != nil || s.State != codexauth.StateValid || s.Account.ID != kept.AccountID || s.Account.Email == "" || s.LastRefresh.IsZero() {
			t.Errorf("%v, %v", s, err)
		}
		resp, err := m.Client().Get(r.provider.BackendURL + "/models")
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("the backend answered %d to the leased token", resp.StatusCode)
		}
	}
	if n := r.sandbox.Counters().RefreshRequests; n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

// Ten programs whose token the backend refused: each gets the same new one, for
// one refresh.
func TestManyLesseesAskForAnotherToken(t *testing.T) {
	r := newRig(t)
	c := r.client(t, r.leaseKey)
	managers := make([]*codexauth.Manager, 10)
	for i := range managers {
		managers[i] = r.manager(t, c)
		mustToken(t, managers[i])
	}
	old := mustToken(t, r.keeper)
	tokens := make([]codexauth.Token, len(managers))
	var all sync.WaitGroup
	for i, m := range managers {
		all.Go(func() {
			m.Invalidate(old)
			var err error
			if tokens[i], err = m.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, token := range tokens {
		if token.AccessToken.Equal(old.AccessToken) || !token.AccessToken.Equal(tokens[0].AccessToken) {
			t.Error("not one new token")
		}
	}
	if n := r.sandbox.Counters(); n.Refreshes != 1 || n.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", n.Refreshes, n.Reuses)
	}
}

// A broker whose login is itself leased.
func TestChain(t *testing.T) {
	r := newRig(t)
	outer := &rig{sandbox: r.sandbox, provider: r.provider, keys: new(broker.Keys)}
	outer.leaseKey = outer.addKey(t, "leaser", true)
	outer.serve(t, r.manager(t, r.client(t, r.leaseKey)))
	c := outer.client(t, outer.leaseKey)
	m := outer.manager(t, c)
	first := mustToken(t, m)
	m.Invalidate(first)
	second := mustToken(t, m)
	if second.AccessToken.Equal(first.AccessToken) || !second.AccessToken.Equal(mustToken(t, r.keeper).AccessToken) {
		t.Error("not the keeper's new token")
	}
	if s, err := m.Status(t.Context()); err != nil || s.State != codexauth.StateValid {
		t.Errorf("%v, %v", s, err)
	}
	resp, err := c.HTTPClient().Get(c.BaseURL() + "/models")
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%d", resp.StatusCode)
	}
	must(t, r.keeper.SignOut(t.Context(), false))
	if _, err := m.Refresh(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
		t.Errorf("%v", err)
	}
}

// What each refusal of the broker means.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	lease := func(key string) error {
		_, err := r.client(t, key).Lease(t.Context(), codexauth.LeaseRequest{})
		return err
	}
	wantErr(t, lease("codexauth_wrong"), client.ErrKeyRefused)
	wantErr(t, lease(r.plainKey), client.ErrLeaseRefused)
	wantErr(t, lease("two words"), client.ErrNoKey)
	r.keys.Revoke("leaser")
	wantErr(t, lease(r.leaseKey), client.ErrKeyRefused)
	r.leaseKey = r.addKey(t, "leaser", true)

	must(t, r.sandbox.SetFaults(sandbox.Fault{Name: "rate-limit", Arg: "7"}))
	sum := "0000000000000000000000000000000000000000000000000000000000000000"
	m := r.manager(t, r.client(t, r.leaseKey))
	_, err := m.Refresh(t.Context())
	wantErr(t, err, codexauth.ErrTransient)
	var retry *codexauth.RetryError
	if !errors.As(err, &retry) || time.Until(retry.At) < 5*time.Second || time.Until(retry.At) > 10*time.Second {
		t.Errorf("%v", err)
	}
	if _, err := r.client(t, r.leaseKey).Lease(t.Context(), codexauth.LeaseRequest{NotSHA256: sum}); err != nil {
		t.Errorf("the present token: %v", err)
	}
	must(t, r.keeper.SignOut(t.Context(), true))
	wantErr(t, lease(r.leaseKey), codexauth.ErrSignedOut)
	if err := lease(r.leaseKey); !strings.Contains(err.Error(), "codexauth login") {
		t.Errorf("%v", err)
	}
}
