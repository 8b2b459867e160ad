// Package lostclaim tries on a store what a holder does whose claim was lost: a
// connection that broke, a lease that ended, a lock file that somebody removed.
// It is for tests.
package lostclaim

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"codexauth"
	"codexauth/internal/oauth"
	"codexauth/sandbox"
)

// trial is one login, two holders that share it, and the server that grants it.
type trial struct {
	t      *testing.T
	server *sandbox.Server
	store  *tap
	mine   *codexauth.Manager // loses its claim
	other  *codexauth.Manager
	now    codexauth.Credential // what the store holds, in full, when the trial begins
}

// tap is a Store that acts once, in between a claim and its next commit.
type tap struct {
	codexauth.Store
	act func(codexauth.Claim)
}

func (s *tap) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.Store.Claim(ctx, key)
	if err != nil {
		return nil, err
	}
	return &tapped{c, s}, nil
}

type tapped struct {
	codexauth.Claim
	s *tap
}

func (c *tapped) Commit(ctx context.Context, record []byte) error {
	if act := c.s.act; act != nil {
		c.s.act = nil
		act(c.Claim)
	}
	return c.Claim.Commit(ctx, record)
}

// Run tries it on the store that open opens: the same one each time for one name.
// lose ends what a claim is made of, and leaves its holder in the dark.
func Run(t *testing.T, open func(t *testing.T, name string) codexauth.Store, lose func(*testing.T, codexauth.Claim)) {
	for name, play := range map[string]func(*trial, func(codexauth.Claim)){
		"HandOver": handOver, "HandOverAlone": handOverAlone, "SignOut": signOut, "SignOutOfAnother": signOutOfAnother,
		"Import": importOver, "ImportSpent": importSpent, "Move": move,
	} {
		t.Run(name, func(t *testing.T) {
			tr := &trial{t: t, server: sandbox.New(t, sandbox.Config{})}
			tr.store = &tap{Store: open(t, name)}
			tr.mine, tr.other = tr.manager(tr.store), tr.manager(open(t, name))
			tr.now = tr.grant()
			if _, err := tr.other.Import(t.Context(), tr.now, codexauth.SignInOptions{}); err != nil {
				t.Fatal(err)
			}
			play(tr, func(c codexauth.Claim) { lose(t, c) })
			if n := tr.server.Counters().Reuses; n != 0 {
				t.Errorf("%d refresh tokens were used twice", n)
			}
		})
	}
}

func (tr *trial) manager(store codexauth.Store) *codexauth.Manager {
	m, err := codexauth.NewManager(codexauth.Config{
		Store: store, Provider: codexauth.Provider{Issuer: tr.server.URL()}, Lazy: true,
		RescueDir: filepath.Join(tr.t.TempDir(), "a", "rescue"),
	})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() { m.Close() })
	return m
}

// grant is a login that another program has signed in.
func (tr *trial) grant() codexauth.Credential {
	g := tr.server.Issue(sandbox.User{})
	return codexauth.Credential{AccessToken: codexauth.NewSecret(g.AccessToken), RefreshToken: codexauth.NewSecret(g.RefreshToken)}
}

func (tr *trial) rotate(m *codexauth.Manager) {
	tr.t.Helper()
	if _, err := m.Refresh(tr.t.Context()); err != nil {
		tr.t.Errorf("the login is lost: %v", err)
	}
}

// handed collects what a hand-over delivers.
type handed struct {
	login codexauth.Credential
	there bool
}

func (tr *trial) handOver(h *handed, meanwhile func()) error {
	return tr.mine.HandOver(tr.t.Context(), func(c codexauth.Credential) error {
		h.login, h.there = c, true
		meanwhile()
		return nil
	}, func() error { h.there = false; return nil })
}

func handOver(tr *trial, lose func(codexauth.Claim)) {
	var h handed
	tr.store.act = func(c codexauth.Claim) { lose(c); tr.rotate(tr.other) }
	if err := tr.handOver(&h, func() {}); !errors.Is(err, codexauth.ErrLost) || !strings.Contains(err.Error(), "taken back") {
		tr.t.Errorf("error %v", err)
	}
	if h.there {
		tr.t.Error("a spent token was left at the new place")
	}
	tr.rotate(tr.other)
}

// A claim that is lost while nobody else was there is no reason to fail.
func handOverAlone(tr *trial, lose func(codexauth.Claim)) {
	var h handed
	tr.store.act = lose
	if err := tr.handOver(&h, func() {}); err != nil || !h.there {
		tr.t.Fatalf("there: %v, %v", h.there, err)
	}
	if _, err := tr.other.Refresh(tr.t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
		tr.t.Errorf("the store still holds the login: %v", err)
	}
	if tr.spend(h.login.RefreshToken) != http.StatusOK {
		tr.t.Error("what was handed over is not good")
	}
}

func signOut(tr *trial, lose func(codexauth.Claim)) {
	var newest codexauth.Secret
	tr.store.act = func(c codexauth.Claim) {
		lose(c)
		tr.rotate(tr.other)
		newest = tr.stored()
	}
	if err := tr.mine.SignOut(tr.t.Context(), false); err != nil {
		tr.t.Fatal(err)
	}
	if _, err := tr.other.Refresh(tr.t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
		tr.t.Errorf("not signed out: %v", err)
	}
	if newest.IsZero() || tr.spend(newest) == http.StatusOK {
		tr.t.Error("what was replaced is not revoked")
	}
}

func signOutOfAnother(tr *trial, lose func(codexauth.Claim)) {
	next := tr.grant()
	tr.store.act = func(c codexauth.Claim) { lose(c); tr.take(next, true) }
	if err := tr.mine.SignOut(tr.t.Context(), false); !errors.Is(err, codexauth.ErrLost) {
		tr.t.Errorf("error %v", err)
	}
	tr.rotate(tr.other)
}

func importOver(tr *trial, lose func(codexauth.Claim)) {
	theirs, ours := tr.grant(), tr.grant()
	stranger := tr.server.Issue(sandbox.User{Email: "somebody@else.test"})
	theirs.AccessToken, theirs.RefreshToken = codexauth.NewSecret(stranger.AccessToken), codexauth.NewSecret(stranger.RefreshToken)
	if err := tr.mine.SignOut(tr.t.Context(), true); err != nil {
		tr.t.Fatal(err)
	}
	tr.store.act = func(c codexauth.Claim) { lose(c); tr.take(theirs, false) }
	if ok, err := tr.mine.Import(tr.t.Context(), ours, codexauth.SignInOptions{}); ok || !errors.Is(err, codexauth.ErrSignedIn) {
		tr.t.Errorf("another account's login was overwritten: %v, %v", ok, err)
	}
	tr.rotate(tr.other)
}

func importSpent(tr *trial, lose func(codexauth.Claim)) {
	next := tr.grant()
	tr.store.act = func(c codexauth.Claim) { lose(c); tr.take(next, true); tr.rotate(tr.other) }
	if ok, err := tr.mine.Import(tr.t.Context(), next, codexauth.SignInOptions{Replace: true}); ok || err != nil {
		tr.t.Errorf("a spent token was imported: %v, %v", ok, err)
	}
	tr.rotate(tr.other)
}

func move(tr *trial, lose func(codexauth.Claim)) {
	to := &memoryPlace{}
	tr.store.act = func(c codexauth.Claim) { lose(c); tr.rotate(tr.other) }
	err := codexauth.Place{Store: tr.store}.MoveTo(tr.t.Context(), codexauth.Place{Store: to}, nil)
	if !errors.Is(err, codexauth.ErrLost) || to.record != nil {
		tr.t.Errorf("a copy was left at the new place: %v, %v", to.record != nil, err)
	}
	tr.rotate(tr.other)
	if err := (codexauth.Place{Store: tr.store}).MoveTo(tr.t.Context(), codexauth.Place{Store: to}, nil); err != nil {
		tr.t.Fatal(err)
	}
	tr.rotate(tr.manager(to))
}

// take imports a login at the other holder.
func (tr *trial) take(c codexauth.Credential, replace bool) {
	tr.t.Helper()
	if _, err := tr.other.Import(tr.t.Context(), c, codexauth.SignInOptions{Replace: replace}); err != nil {
		tr.t.Error(err)
	}
}

// stored is the refresh token that the store holds.
func (tr *trial) stored() (token codexauth.Secret) {
	stop := errors.New("only to look")
	if err := tr.other.HandOver(tr.t.Context(), func(c codexauth.Credential) error { token = c.RefreshToken; return stop }, nil); !errors.Is(err, stop) {
		tr.t.Error(err)
	}
	return token
}

// spend asks the server for a refresh itself.
func (tr *trial) spend(token codexauth.Secret) (status int) {
	resp, err := http.PostForm(tr.server.URL()+"/oauth/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token.Reveal()}, "client_id": {oauth.OpenAIClientID}})
	if err != nil {
		tr.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// memoryPlace is a place to move to that shows what it holds. One at a time uses it.
type memoryPlace struct{ record []byte }

func (p *memoryPlace) Load(context.Context, string) ([]byte, error) {
	if p.record == nil {
		return nil, codexauth.ErrNotFound
	}
	return p.record, nil
}

func (p *memoryPlace) List(context.Context) ([]string, error) { return nil, errors.ErrUnsupported }

func (p *memoryPlace) Claim(context.Context, string) (codexauth.Claim, error) { return p, nil }

func (p *memoryPlace) Record() []byte { return p.record }

func (p *memoryPlace) Reload(context.Context) ([]byte, error) { return p.record, nil }

func (p *memoryPlace) Commit(_ context.Context, record []byte) error {
	p.record = record
	return nil
}

func (p *memoryPlace) Delete(context.Context) error {
	p.record = nil
	return nil
}

func (p *memoryPlace) Release() error { return nil }
