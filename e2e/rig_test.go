package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"
	"codexauth/internal/rig/person"
)

// These tests judge the judge: they drive the foreign server with a plain HTTP
// client, so that a failure elsewhere is codexauth's and not the rig's.

const callbackURI = "http://127.0.0.1:1455/auth/callback"

// signInByHand returns the tokens of a new sign-in.
func signInByHand(t *testing.T, c *rig.Client, p *person.Person) rig.Answer {
	t.Helper()
	attempt := c.NewAttempt(callbackURI)
	callback, err := p.Approve(attempt.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer := c.Exchange(t, attempt, callback)
	if answer.Status != http.StatusOK || answer.AccessToken == "" || answer.RefreshToken == "" || answer.IDToken == "" {
		t.Fatalf("code exchange: status %d, error %q (%s)", answer.Status, answer.Error, answer.Description)
	}
	return answer
}

func wantRefused(t *testing.T, a rig.Answer) {
	t.Helper()
	if a.Status != http.StatusBadRequest || a.Error != "invalid_grant" {
		t.Errorf("answer %d %q, want 400 invalid_grant", a.Status, a.Error)
	}
}

func wantCounters(t *testing.T, s *rig.Server, want oidc.Counters) {
	t.Helper()
	got := s.Counters(t)
	if want.MaxInFlight == 0 {
		want.MaxInFlight = got.MaxInFlight // not asked
	}
	if got != want {
		t.Errorf("counters\n got %+v\nwant %+v", got, want)
	}
}

func TestRigSignIn(t *testing.T) {
	s := rig.StartServer(t, "--access-token-ttl", "120")
	c := rig.Discover(t, s.Issuer)
	answer := signInByHand(t, c, person.New("ada@example.test"))

	access := rig.Claims(t, answer.AccessToken)
	if life := access["exp"].(float64) - access["iat"].(float64); life != 120 || answer.ExpiresIn != 120 {
		t.Errorf("access token lives %v s, expires_in %d, want 120", life, answer.ExpiresIn)
	}
	for name, claims := range map[string]map[string]any{"access": access, "id": rig.Claims(t, answer.IDToken)} {
		account, _ := claims["https://api.openai.com/auth"].(map[string]any)
		if id, _ := account["chatgpt_account_id"].(string); len(id) != 36 {
			t.Errorf("%s token: account id %q", name, id)
		}
		if account["chatgpt_plan_type"] != "plus" || account["chatgpt_account_is_fedramp"] != false {
			t.Errorf("%s token: account claim %v", name, account)
		}
	}
	if email := rig.Claims(t, answer.IDToken)["email"]; email != "ada@example.test" {
		t.Errorf("id token: email %v", email)
	}
	wantCounters(t, s, oidc.Counters{TokenRequests: 1, CodeExchanges: 1})
}

func TestRigRefusesBadRequests(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)

	refusing := person.New("ada@example.test")
	refusing.Refuse = true
	attempt := c.NewAttempt(callbackURI)
	callback, err := refusing.Approve(attempt.URL)
	if err != nil {
		t.Fatal(err)
	}
	if u, _ := url.Parse(callback); u.Query().Get("error") != "access_denied" || u.Query().Get("state") != attempt.State {
		t.Error("a refused consent does not come back as access_denied with the state")
	}

	other := c.NewAttempt("http://127.0.0.1:1456/auth/callback")
	if _, err := person.New("ada@example.test").Approve(other.URL); err == nil {
		t.Error("an unregistered loopback port is let in")
	}

	plain, _ := url.Parse(attempt.URL)
	q := plain.Query()
	q.Del("code_challenge")
	q.Del("code_challenge_method")
	plain.RawQuery = q.Encode()
	if callback, err := person.New("ada@example.test").Approve(plain.String()); err == nil && !strings.Contains(callback, "error=invalid_request") {
		t.Error("a request without PKCE is let in")
	}

	attempt = c.NewAttempt(callbackURI)
	if callback, err = person.New("ada@example.test").Approve(attempt.URL); err != nil {
		t.Fatal(err)
	}
	attempt.Verifier = strings.Repeat("x", 43)
	wantRefused(t, c.Exchange(t, attempt, callback))
}

func TestRigRotation(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	first := signInByHand(t, c, person.New("ada@example.test"))

	last := first
	for range 5 {
		next := c.Refresh(t, last.RefreshToken)
		if next.Status != http.StatusOK || next.RefreshToken == last.RefreshToken || next.AccessToken == last.AccessToken {
			t.Fatalf("refresh: status %d, error %q, or a token that did not change", next.Status, next.Error)
		}
		last = next
	}
	wantCounters(t, s, oidc.Counters{TokenRequests: 6, CodeExchanges: 1, Refreshes: 5})

	wantRefused(t, c.Refresh(t, first.RefreshToken)) // reuse
	wantRefused(t, c.Refresh(t, last.RefreshToken))  // its successor died with it
	wantCounters(t, s, oidc.Counters{
		TokenRequests: 8, CodeExchanges: 1, Refreshes: 5, Refused: 2,
		Reuses: 1, RevokedGrants: 1, DeadFamily: 1,
	})
}

func TestRigCodeReplayRevokes(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	attempt := c.NewAttempt(callbackURI)
	callback, err := person.New("ada@example.test").Approve(attempt.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer := c.Exchange(t, attempt, callback)
	if !c.Active(t, answer.RefreshToken) {
		t.Fatal("a fresh refresh token is not active")
	}
	wantRefused(t, c.Exchange(t, attempt, callback))
	if c.Active(t, answer.RefreshToken) {
		t.Error("the refresh token outlived the replay of its code")
	}
	wantCounters(t, s, oidc.Counters{TokenRequests: 2, CodeExchanges: 1, Refused: 1, CodeReplays: 1, RevokedGrants: 1})
}

func TestRigRaceHasOneWinner(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	tokens := signInByHand(t, c, person.New("ada@example.test"))
	s.Reset(t)
	s.Arm(t, oidc.Fault{When: oidc.Before, DelayMS: 300}) // so that all are in flight at once

	const racers = 8
	answers := make([]rig.Answer, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { answers[i] = c.Refresh(t, tokens.RefreshToken) })
	}
	wg.Wait()
	won := 0
	for _, a := range answers {
		if a.Status == http.StatusOK {
			won++
		}
	}
	got := s.Counters(t)
	if won != 1 || got.Refreshes != 1 || got.Reuses < 1 || got.Reuses+got.DeadFamily != racers-1 || got.RevokedGrants != 1 {
		t.Errorf("%d winners, counters %+v", won, got)
	}
	if got.MaxInFlight < 2 {
		t.Errorf("max_in_flight %d: they did not race", got.MaxInFlight)
	}
}

func TestRigGrantsAreSeparate(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	p := person.New("ada@example.test")
	one, two := signInByHand(t, c, p), signInByHand(t, c, p) // one browser session, two sign-ins
	c.Refresh(t, one.RefreshToken)
	wantRefused(t, c.Refresh(t, one.RefreshToken))
	if a := c.Refresh(t, two.RefreshToken); a.Status != http.StatusOK {
		t.Errorf("the reuse of one sign-in ended another: %d %s", a.Status, a.Error)
	}
}

func TestRigTakesJSON(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	tokens := signInByHand(t, c, person.New("ada@example.test"))
	status, _ := c.PostJSON(t, c.Metadata.TokenEndpoint, map[string]string{
		"client_id": rig.ClientID, "grant_type": "refresh_token",
		"refresh_token": tokens.RefreshToken, "refresh_reason": "forced",
	})
	if status != http.StatusOK {
		t.Errorf("JSON refresh: %d", status)
	}
	tokens = signInByHand(t, c, person.New("bob@example.test"))
	status, _ = c.PostJSON(t, c.Metadata.RevocationEndpoint, map[string]string{
		"token": tokens.RefreshToken, "token_type_hint": "refresh_token", "client_id": rig.ClientID,
	})
	if status != http.StatusOK || c.Active(t, tokens.RefreshToken) {
		t.Errorf("JSON revocation: %d, still active %v", status, c.Active(t, tokens.RefreshToken))
	}
	wantCounters(t, s, oidc.Counters{
		TokenRequests: 3, CodeExchanges: 2, Refreshes: 1,
		RevocationRequests: 1, Revocations: 1, RevokedGrants: 1,
	})
}

func TestRigFaults(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	tests := []struct {
		name   string
		fault  oidc.Fault
		status int // 0: no answer
		header string
		spent  bool
	}{
		{"503", oidc.Fault{When: oidc.Before, Status: 503}, 503, "", false},
		{"429", oidc.Fault{When: oidc.Before, Status: 429, RetryAfter: "7"}, 429, "7", false},
		{"html page", oidc.Fault{When: oidc.Before, Status: 200, HTML: true}, 200, "", false},
		{"cut before", oidc.Fault{When: oidc.Before, Cut: true}, 0, "", false},
		{"502 after", oidc.Fault{When: oidc.After, Status: 502, HTML: true}, 502, "", true},
		{"cut after", oidc.Fault{When: oidc.After, Cut: true, DelayMS: 50}, 0, "", true},
		{"delay after", oidc.Fault{When: oidc.After, DelayMS: 100}, 200, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tokens := signInByHand(t, c, person.New("ada@example.test"))
			tt.fault.Count = 1
			s.Arm(t, tt.fault)
			start := time.Now()
			resp, err := http.PostForm(c.Metadata.TokenEndpoint, url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {rig.ClientID},
			})
			status, retryAfter := 0, ""
			if err == nil {
				resp.Body.Close()
				status, retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
			}
			if status != tt.status || retryAfter != tt.header {
				t.Errorf("status %d, Retry-After %q (%v)", status, retryAfter, err)
			}
			if delay := time.Duration(tt.fault.DelayMS) * time.Millisecond; time.Since(start) < delay {
				t.Errorf("answered before %v", delay)
			}
			if spent := !c.Active(t, tokens.RefreshToken); spent != tt.spent {
				t.Errorf("spent: %v, want %v", spent, tt.spent)
			}
		})
	}
}

func TestRigForgetsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("1,000 refreshes take a few seconds")
	}
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	old := signInByHand(t, c, person.New("ada@example.test"))
	busy := signInByHand(t, c, person.New("bob@example.test"))
	for range 1000 {
		busy = c.Refresh(t, busy.RefreshToken)
	}
	if a := c.Refresh(t, old.RefreshToken); a.Status != http.StatusOK {
		t.Errorf("a grant was forgotten: %d %s", a.Status, a.Error)
	}
	if got := s.Counters(t); got.Refreshes != 1001 {
		t.Errorf("%d refreshes, want 1001", got.Refreshes)
	}
}

func TestRigControlWantsItsKey(t *testing.T) {
	s := rig.StartServer(t)
	if status := s.ControlWithoutKey(t); status != http.StatusForbidden {
		t.Errorf("control without its key: %d", status)
	}
}
