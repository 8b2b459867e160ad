package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"codexauth/e2e/internal/rig"
	"codexauth/internal/rig/oidc"
	"codexauth/internal/rig/person"
)

// From sign-in to sign-out, with plain HTTP for a browser.
func TestSignInRefreshSignOut(t *testing.T) {
	s := rig.StartServer(t)
	c := rig.Discover(t, s.Issuer)
	cli := rig.NewCLI(t, s.Issuer)

	readStatus(t, cli, exitNotSignedIn)
	wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)

	p := signIn(t, cli)
	last := token(t, cli)
	account := rig.Claims(t, last)["https://api.openai.com/auth"].(map[string]any)
	got := readStatus(t, cli, exitDone)
	want := status{
		Profile: "default", Issuer: s.Issuer, State: "valid", Email: p.Email, Plan: "plus",
		AccountID: account["chatgpt_account_id"].(string), ExpiresAt: got.ExpiresAt,
	}
	if got != want {
		t.Errorf("status\n got %+v\nwant %+v", got, want)
	}
	if exp := int64(rig.Claims(t, last)["exp"].(float64)); got.ExpiresAt.Unix() != exp {
		t.Errorf("status says the token expires at %v, the token says %v", got.ExpiresAt, time.Unix(exp, 0).UTC())
	}

	for i := range 5 {
		wantCode(t, "refresh", cli.Run(t, "refresh"), exitDone)
		next := token(t, cli)
		if next == last {
			t.Fatalf("refresh %d: the same access token as before", i+1)
		}
		last = next
	}
	wantCounters(t, s, oidc.Counters{TokenRequests: 6, CodeExchanges: 1, Refreshes: 5, MaxInFlight: 1})

	stored := cli.Stored(t)
	if !c.Active(t, stored.RefreshToken) {
		t.Fatal("the stored refresh token is not the live one")
	}
	wantCode(t, "logout", cli.Run(t, "logout"), exitDone)
	if c.Active(t, stored.RefreshToken) {
		t.Error("the refresh token outlived the logout at the server")
	}
	if counters := s.Counters(t); counters.Revocations != 1 {
		t.Errorf("%d revocations, want 1", counters.Revocations)
	}
	if left := cli.Stored(t); left != (rig.Stored{}) {
		t.Error("a token is still in the store after logout")
	}
	wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)
	readStatus(t, cli, exitNotSignedIn)
}

// The authorization request is what the service registers for this client.
func TestAuthorizationRequest(t *testing.T) {
	s := rig.StartServer(t)
	cli := rig.NewCLI(t, s.Issuer)
	seen := map[string]bool{}
	for range 2 {
		login := cli.StartLogin(t)
		u, err := url.Parse(login.URL)
		if err != nil {
			t.Fatal(err)
		}
		if base := s.Issuer + "/auth"; !strings.HasPrefix(login.URL, base+"?") {
			t.Errorf("the URL does not begin with the discovered endpoint %s", base)
		}
		q := u.Query()
		for name, want := range map[string]string{
			"response_type": "code", "client_id": rig.ClientID, "scope": rig.Scope,
			"redirect_uri":          "http://localhost:1455/auth/callback",
			"code_challenge_method": "S256", "id_token_add_organizations": "true",
			"codex_cli_simplified_flow": "true", "originator": "codex_cli_rs",
		} {
			if got := q.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		for _, name := range []string{"state", "code_challenge"} {
			if value := q.Get(name); len(value) < 32 || seen[value] {
				t.Errorf("%s is short or not new", name)
			}
			seen[q.Get(name)] = true
		}
		wantCode(t, "login, interrupted,", login.Interrupt(t), exitPersonCancel)
	}
}

// The callback answers with a redirect to a page that holds no secret, and
// neither a stray request nor a forged one ends the sign-in.
func TestCallback(t *testing.T) {
	s := rig.StartServer(t)
	cli := rig.NewCLI(t, s.Issuer)
	p := person.New("ada@example.test")
	login := cli.StartLogin(t)
	callback, err := p.Approve(login.URL)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	for name, forge := range map[string]func(*url.URL, url.Values){
		"another state":   func(_ *url.URL, q url.Values) { q.Set("state", "forged") },
		"no state":        func(_ *url.URL, q url.Values) { q.Del("state") },
		"error, no state": func(_ *url.URL, q url.Values) { q.Del("code"); q.Del("state"); q.Set("error", "access_denied") },
		"another issuer":  func(_ *url.URL, q url.Values) { q.Set("iss", "https://evil.example") },
		"another path":    func(u *url.URL, _ url.Values) { u.Path = "/favicon.ico" },
		"path under ours": func(u *url.URL, _ url.Values) { u.Path = "/auth/callback/x" },
		"no code":         func(_ *url.URL, q url.Values) { q.Del("code") },
	} {
		forged, q := *u, u.Query()
		forge(&forged, q)
		forged.RawQuery = q.Encode()
		hops, err := p.Visit(forged.String())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if last := hops[len(hops)-1]; len(hops) > 1 || last.Status == http.StatusOK {
			t.Errorf("%s: answered %d after %d redirects, want a refusal", name, last.Status, len(hops)-1)
		}
	}
	if n := s.Counters(t).TokenRequests; n != 0 {
		t.Fatalf("%d token requests after forged callbacks, want none", n)
	}

	hops, err := p.Visit(callback)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "login", login.Wait(t), exitDone)
	if len(hops) < 2 || hops[0].Status != http.StatusSeeOther {
		t.Fatalf("the callback answered %d, want a 303 to a clean page", hops[0].Status)
	}
	last := hops[len(hops)-1]
	if last.Status != http.StatusOK || last.URL.RawQuery != "" || last.URL.Fragment != "" {
		t.Errorf("ended with %d at %s?… (query of %d bytes)", last.Status, last.URL.Path, len(last.URL.RawQuery))
	}
	secrets := secretsOf(cli.Stored(t))
	secrets["code"], secrets["state"] = u.Query().Get("code"), u.Query().Get("state")
	for _, hop := range hops {
		if policy := hop.Header.Get("Referrer-Policy"); policy != "no-referrer" {
			t.Errorf("%s: Referrer-Policy %q, want no-referrer", hop.URL.Path, policy)
		}
		wantNoSecret(t, "the page at "+hop.URL.Path, hop.Body+hop.Header.Get("Location"), secrets)
	}
}

// `login` starts the command that BROWSER names. What that is given shows in
// the list of processes, so it holds no part of the request and works once.
func TestLoginOpensBrowser(t *testing.T) {
	s := rig.StartServer(t)
	cli := rig.NewCLI(t, s.Issuer)
	p := person.New("ada@example.test")
	login := cli.StartLoginWithBrowser(t, "--redirect-host", "127.0.0.1")
	request, err := url.Parse(login.URL)
	if err != nil {
		t.Fatal(err)
	}
	wantNoSecret(t, "the browser's command line", login.Opened, map[string]string{
		"state": request.Query().Get("state"), "challenge": request.Query().Get("code_challenge"),
	})
	callback, err := p.Approve(login.Opened)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(callback, "http://127.0.0.1:1455/auth/callback?") {
		t.Error("--redirect-host 127.0.0.1 did not change the redirect URI")
	}
	if _, err := person.New("eve@example.test").Approve(login.Opened); err == nil {
		t.Error("the link that was given to the browser works twice")
	}
	if _, err := p.Visit(callback); err != nil {
		t.Fatal(err)
	}
	r := login.Wait(t)
	wantCode(t, "login", r, exitDone)
	wantNoSecret(t, "login's output", r.Stdout+r.Stderr, secretsOf(cli.Stored(t)))
}

// On a terminal the redirect URL can be pasted, as on a machine without a
// browser; anything less than the whole of it is refused.
func TestPastedRedirect(t *testing.T) {
	s := rig.StartServer(t)
	cli := rig.NewCLI(t, s.Issuer)
	term := cli.OnTerminal(t, "login", "--no-browser")
	callback, err := person.New("ada@example.test").Approve(term.AwaitURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	code, state := u.Query().Get("code"), u.Query().Get("state")
	for name, text := range map[string]string{
		"a bare code":    code,
		"another state":  strings.Replace(callback, "state="+state, "state=forged", 1),
		"another server": strings.Replace(callback, "localhost", "evil.example", 1),
	} {
		term.Answer(t, text)
		if n := s.Counters(t).TokenRequests; n != 0 {
			t.Fatalf("%s was taken for the redirect URL", name)
		}
	}
	term.Type(t, callback)
	if got := term.Wait(t); got != exitDone {
		t.Fatalf("login: exit %d", got)
	}
	wantNoSecret(t, "the terminal", term.Screen(), secretsOf(cli.Stored(t)))
	token(t, cli)
}

// A second port serves where the first is taken.
func TestSecondPort(t *testing.T) {
	s := rig.StartServer(t)
	first, second := rig.NewCLI(t, s.Issuer), rig.NewCLI(t, s.Issuer)
	waiting := first.StartLogin(t)
	login := second.StartLogin(t)
	u, err := url.Parse(login.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.Query().Get("redirect_uri"); got != "http://localhost:1457/auth/callback" {
		t.Errorf("with port 1455 taken, redirect_uri = %q", got)
	}
	for _, l := range []*rig.Login{login, waiting} { // both end well
		p := person.New("ada@example.test")
		callback, err := p.Approve(l.URL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Visit(callback); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "login", l.Wait(t), exitDone)
	}
}

// A refused consent is the person's decision.
func TestConsentRefused(t *testing.T) {
	s := rig.StartServer(t)
	cli := rig.NewCLI(t, s.Issuer)
	p := person.New("ada@example.test")
	p.Refuse = true
	login := cli.StartLogin(t)
	callback, err := p.Approve(login.URL)
	if err != nil {
		t.Fatal(err)
	}
	hops, err := p.Visit(callback)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "login", login.Wait(t), exitPersonCancel)
	if last := hops[len(hops)-1]; !saysRefused.MatchString(last.Body) {
		t.Errorf("the page does not say that the request was refused: %s", last.Body)
	}
	wantCode(t, "token", cli.Run(t, "token"), exitNotSignedIn)
}
