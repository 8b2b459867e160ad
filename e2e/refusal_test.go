package e2e

import (
	"net/http"
	"regexp"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"
)

var (
	saysSignIn    = regexp.MustCompile(`(?i)sign in again|codexauth login`)
	saysRefused   = regexp.MustCompile(`(?i)refused|denied|declined|not allowed|cancel`)
	saysLostReply = regexp.MustCompile(`(?i)cut off|lost|interrupted|no answer|unknown`)
)

// Somebody else spent the stored refresh token, so the server ends the login.
// codexauth says so, remembers it, and keeps what it has.
func TestReuseEndsLogin(t *testing.T) {
	t.Parallel()
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	cli := newExpired(t, s)
	stored := cli.Stored(t)
	if a := c.Refresh(t, stored.RefreshToken); a.Status != http.StatusOK {
		t.Fatalf("the thief got %d", a.Status)
	}
	s.Reset(t)

	r := cli.Run(t, "refresh")
	wantCode(t, "refresh", r, exitSignInAgain)
	if !saysSignIn.MatchString(r.Stderr) {
		t.Errorf("refresh does not say to sign in again: %q", r.Stderr)
	}
	wantNoSecret(t, "refresh's output", r.Stdout+r.Stderr, secretsOf(stored))
	wantCounters(t, s, oidc.Counters{TokenRequests: 1, Refused: 1, Reuses: 1, RevokedGrants: 1, MaxInFlight: 1})

	for range 3 {
		r := cli.Run(t, "token")
		wantCode(t, "token", r, exitSignInAgain)
		if r.Stdout != "" || !saysSignIn.MatchString(r.Stderr) {
			t.Errorf("token after a refusal: %d bytes on standard output, and it said %q", len(r.Stdout), r.Stderr)
		}
	}
	if n := s.Counters(t).TokenRequests; n != 1 {
		t.Errorf("%d token requests, want 1: a refusal is remembered", n)
	}
	if got := readStatus(t, cli, exitSignInAgain); got.State != "refused" {
		t.Errorf("status says %q, want refused", got.State)
	}
	if cli.Stored(t) != stored {
		t.Error("a refusal changed the stored credential")
	}

	signIn(t, cli, "--force")
	token(t, cli)
	if got := readStatus(t, cli, exitDone); got.State != "valid" {
		t.Errorf("status after a new sign-in says %q, want valid", got.State)
	}
}

// An answer that is not the authorization server's word on the token: try again
// later, and later it works.
func TestTroublePasses(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]oidc.Fault{
		"503":              {When: oidc.Before, Status: 503},
		"401 of a gateway": {When: oidc.Before, Status: 401, HTML: true},
		"403 of a gateway": {When: oidc.Before, Status: 403, HTML: true},
		"200 of a gateway": {When: oidc.Before, Status: 200, HTML: true},
		"cut off":          {When: oidc.Before, Cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rig.StartServer(t)
			cli := newExpired(t, s)
			stored := cli.Stored(t)
			s.Arm(t, fault)
			wantCode(t, "token", cli.Run(t, "token"), exitTryLater)
			if cli.Stored(t) != stored {
				t.Error("the stored credential changed")
			}
			s.Disarm(t)
			r := retry(t, cli, "token")
			wantCode(t, "token", r, exitDone)
			oneToken(t, r)
			if got := s.Counters(t); got.Refreshes != 1 || got.Reuses != 0 {
				t.Errorf("counters %+v, want one refresh and no reuse", got)
			}
		})
	}
}

// While a valid token is there, a server that is down stops nobody.
func TestOutageWithValidToken(t *testing.T) {
	t.Parallel()
	s := rig.StartServer(t)
	cli := rig.NewCLI(t, s.Issuer)
	signIn(t, cli)
	before := token(t, cli)
	s.Arm(t, oidc.Fault{When: oidc.Before, Status: 503})
	wantCode(t, "refresh", cli.Run(t, "refresh"), exitTryLater)
	if token(t, cli) != before {
		t.Error("the valid token is not served during an outage")
	}
}

// 429 with Retry-After: no process asks again before.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	const wait = 4 * time.Second
	s := rig.StartServer(t)
	cli := newExpired(t, s)
	s.Arm(t, oidc.Fault{When: oidc.Before, Status: 429, RetryAfter: "4", Count: 1})
	wantCode(t, "token", retry(t, cli, "token"), exitDone)
	log := s.TokenRequests(t)
	if len(log) != 2 {
		t.Fatalf("%d token requests, want 2: %+v", len(log), log)
	}
	if gap := time.Duration(log[1].AtMS-log[0].AtMS) * time.Millisecond; gap < wait {
		t.Errorf("asked again after %v, Retry-After said %v", gap, wait)
	}
}

// The token was spent and the answer is lost: first the truth is "perhaps", and
// once the server has said no, it is "sign in again", with the reason.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]oidc.Fault{
		"502":      {When: oidc.After, Status: 502, HTML: true, Count: 1},
		"cut":      {When: oidc.After, Cut: true, Count: 1},
		"html 200": {When: oidc.After, Status: 200, HTML: true, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rig.StartServer(t)
			cli := newExpired(t, s)
			stored := cli.Stored(t)
			s.Arm(t, fault)
			wantCode(t, "token", cli.Run(t, "token"), exitTryLater)
			r := retry(t, cli, "token")
			wantCode(t, "token", r, exitSignInAgain)
			if !saysSignIn.MatchString(r.Stderr) || !saysLostReply.MatchString(r.Stderr) {
				t.Errorf("token does not say that an answer was lost and what to do: %q", r.Stderr)
			}
			wantNoSecret(t, "token's output", r.Stdout+r.Stderr, secretsOf(stored))
			got := s.Counters(t)
			if got.TokenRequests != 2 || got.Refreshes != 1 || got.Reuses != 1 {
				t.Errorf("counters %+v, want two requests: the lost one and one retry", got)
			}
		})
	}
}

// retry runs a command until it no longer says "try again later".
func retry(t *testing.T, cli *rig.CLI, args ...string) rig.Result {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if r := cli.Run(t, args...); r.Code != exitTryLater || time.Now().After(deadline) {
			return r
		}
	}
}
