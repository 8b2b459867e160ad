// Package sandboxtest signs tests of other programs in to a sandbox. It stands apart
// from package sandbox, which knows nothing of codexauth.
package sandboxtest

import (
	"context"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// TB is the part of testing.TB that [SignedIn] needs; a *testing.T is one.
type TB interface {
	sandbox.TB
	TempDir() string
}

// SignedIn returns a Manager that is signed in to a sandbox of its own; both end with
// the test. The server can be told to fail, and counts what it sees.
func SignedIn(t TB, cfg sandbox.Config) (*codexauth.Manager, *sandbox.Server) {
	t.Helper()
	s := sandbox.New(t, cfg)
	m, err := codexauth.NewManager(codexauth.Config{
		Store:     memory.New(),
		Provider:  codexauth.Provider{Issuer: s.URL(), BackendURL: s.BackendURL(), ClientID: cfg.ClientID},
		RescueDir: t.TempDir(),
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { m.Close() }) // its error is always nil: a store in memory has no connections
	tokens := s.Issue(sandbox.User{})
	_, err = m.Import(context.Background(), codexauth.Credential{
		AccessToken:  codexauth.NewSecret(tokens.AccessToken),
		RefreshToken: codexauth.NewSecret(tokens.RefreshToken),
		IDToken:      codexauth.NewSecret(tokens.IDToken),
	}, codexauth.SignInOptions{})
	if err != nil {
		t.Fatalf("sign in to the sandbox: %v", err)
	}
	s.ResetCounters()
	return m, s
}
