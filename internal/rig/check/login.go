package check

import (
	"path/filepath"
	"testing"
	"time"

	"codexauth"
	"codexauth/sandbox"
)

// ManagerConfig is that of a Manager that asks issuer only when it is asked itself.
func ManagerConfig(s codexauth.Store, issuer, rescueDir string) codexauth.Config {
	return codexauth.Config{Store: s, RescueDir: rescueDir, Lazy: true,
		Provider: codexauth.Provider{Issuer: issuer, ClientID: sandbox.DefaultClientID}}
}

// RescueDir is one that does not exist yet: a Manager makes it for its user alone.
func RescueDir(t testing.TB) string { return filepath.Join(t.TempDir(), "rescue") }

// Manager is one over s, closed at the end of the test.
func Manager(t testing.TB, s codexauth.Store, server *sandbox.Server, rescueDir string) *codexauth.Manager {
	t.Helper()
	m, err := codexauth.NewManager(ManagerConfig(s, server.URL(), rescueDir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// ExpiredLogin stores a login of server's whose access token has expired.
func ExpiredLogin(t testing.TB, s codexauth.Store, server *sandbox.Server) *codexauth.Manager {
	t.Helper()
	m := Manager(t, s, server, RescueDir(t))
	login := server.Issue(sandbox.User{})
	_, err := m.Import(Patient(t), codexauth.Credential{
		AccessToken:  codexauth.NewSecret(login.AccessToken),
		RefreshToken: codexauth.NewSecret(login.RefreshToken),
		IDToken:      codexauth.NewSecret(login.IDToken),
		LastRefresh:  time.Now().Add(-2 * time.Hour),
		Expiry:       time.Now().Add(-time.Hour),
	}, codexauth.SignInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// OneRefresh checks that the login was refreshed once and lives.
func OneRefresh(t testing.TB, server *sandbox.Server) {
	t.Helper()
	c := server.Counters()
	if c.TokenRequests != 1 || c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d token requests, %d refreshes, %d reuses; want 1, 1, 0", c.TokenRequests, c.Refreshes, c.Reuses)
	}
}
