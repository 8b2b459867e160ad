// Package try gives the tests of the examples a login at a sandbox.
package try

import (
	"testing"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// SignedIn returns a Manager that is signed in at a sandbox, and the sandbox.
func SignedIn(t *testing.T, stores ...codexauth.Store) (*codexauth.Manager, *sandbox.Server) {
	t.Helper()
	store := codexauth.Store(memory.New())
	if len(stores) > 0 {
		store = stores[0]
	}
	srv := sandbox.New(t, sandbox.Config{})
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Provider: codexauth.Provider{Issuer: srv.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	const redirect, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"
	grant := codexauth.Grant{Code: srv.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}
	if _, err := m.SignIn(t.Context(), grant, codexauth.SignInOptions{}); err != nil {
		t.Fatal(err)
	}
	return m, srv
}
