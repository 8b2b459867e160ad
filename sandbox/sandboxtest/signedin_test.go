package sandboxtest_test

import (
	"net/http"
	"testing"
	"time"

	"codexauth/sandbox"
	"codexauth/sandbox/sandboxtest"
)

// A test has a login that the backend takes, and one that has expired is refreshed.
func TestSignedIn(t *testing.T) {
	m, s := sandboxtest.SignedIn(t, sandbox.Config{AccessTTL: -time.Hour})
	s.SetAccessTTL(time.Hour)
	resp, err := m.Client().Get(m.BackendURL() + "/models?client_version=1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if c := s.Counters(); resp.StatusCode != http.StatusOK || c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("status %d, %+v", resp.StatusCode, c)
	}
}
