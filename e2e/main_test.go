// Package e2e tests the codexauth command line against what this project did
// not write: npm's oidc-provider as the authorization server, and Chromium.
package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/person"
)

// Exit codes of codexauth.
const (
	exitDone         = 0
	exitNotSignedIn  = 3
	exitSignInAgain  = 4
	exitTryLater     = 5
	exitPersonCancel = 6
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "codexauth-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := rig.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// signInPorts is held by the one test that is signing in: of the two ports that
// a callback can come to, tests that run side by side would want more.
var signInPorts sync.Mutex

// signIn signs a new person in over plain HTTP and returns the person.
func signIn(t *testing.T, cli *rig.CLI, flags ...string) *person.Person {
	t.Helper()
	signInPorts.Lock()
	defer signInPorts.Unlock()
	p := person.New("ada@example.test")
	login := cli.StartLogin(t, flags...)
	callback, err := p.Approve(login.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Visit(callback); err != nil {
		t.Fatalf("the callback: %v", err)
	}
	wantCode(t, "login", login.Wait(t), exitDone)
	return p
}

// newExpired returns a codexauth whose access token has just expired, and sets
// the server to issue tokens that live an hour from now on. Its counters start
// from zero.
func newExpired(t *testing.T, s *rig.Server) *rig.CLI {
	t.Helper()
	s.SetAccessTokenLife(t, time.Second)
	cli := rig.NewCLI(t, s.Issuer)
	signIn(t, cli)
	exp := rig.Claims(t, cli.Stored(t).AccessToken)["exp"].(float64)
	// A Date header has whole seconds, so a clock that was corrected by one may
	// be off by a second, and by what the answer took to arrive.
	time.Sleep(time.Until(time.Unix(int64(exp), 0).Add(1500 * time.Millisecond)))
	s.SetAccessTokenLife(t, time.Hour)
	s.Reset(t)
	return cli
}

func wantCode(t *testing.T, command string, r rig.Result, code int) {
	t.Helper()
	if r.Code != code {
		t.Fatalf("codexauth %s: exit %d, want %d; it said %q", command, r.Code, code, r.Stderr)
	}
}

// token returns what `codexauth token` prints, which is a token alone.
func token(t *testing.T, cli *rig.CLI) string {
	t.Helper()
	r := cli.Run(t, "token")
	wantCode(t, "token", r, exitDone)
	return oneToken(t, r)
}

func oneToken(t *testing.T, r rig.Result) string {
	t.Helper()
	token := strings.TrimSuffix(r.Stdout, "\n")
	if strings.ContainsAny(token, " \r\n") || strings.Count(token, ".") != 2 {
		t.Fatalf("standard output is not one JWT and nothing else (%d bytes)", len(r.Stdout))
	}
	return token
}

// A status is what `codexauth status --json` prints.
type status struct {
	Profile   string    `json:"profile"`
	Issuer    string    `json:"issuer"`
	AccountID string    `json:"account_id"`
	Email     string    `json:"email"`
	Plan      string    `json:"plan"`
	ExpiresAt time.Time `json:"expires_at"`
	State     string    `json:"state"`
}

func readStatus(t *testing.T, cli *rig.CLI, code int) status {
	t.Helper()
	r := cli.Run(t, "status", "--json")
	wantCode(t, "status", r, code)
	var s status
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("status --json printed no JSON object: %v", err)
	}
	return s
}

// wantNoSecret fails if text holds one of the secrets. It never prints them.
func wantNoSecret(t *testing.T, where, text string, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("%s shows the %s", where, name)
		}
	}
}

func secretsOf(stored rig.Stored) map[string]string {
	return map[string]string{
		"access token":  stored.AccessToken,
		"refresh token": stored.RefreshToken,
		"ID token":      stored.IDToken,
	}
}
