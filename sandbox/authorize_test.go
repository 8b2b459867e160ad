package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"codexauth/sandbox"
)

func TestSignInThroughThePages(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	login := r.get(authorizePath("login_hint", "me@here.test")).want(t, 200, "")
	for _, part := range []string{`id="email"`, `id="continue"`, `value="me@here.test"`, "Sandbox"} {
		if !strings.Contains(login.text, part) {
			t.Errorf("the login page lacks %s", part)
		}
	}
	consent := r.form("/oauth/authorize/login", "csrf", login.csrf(t), "email", "you@there.test").want(t, 200, "")
	for _, part := range []string{`id="allow"`, `id="deny"`, "you@there.test", "offline_access", redirectURI} {
		if !strings.Contains(consent.text, part) {
			t.Errorf("the consent page lacks %s", part)
		}
	}
	decide := func() reply {
		return r.form("/oauth/authorize/decide", "csrf", consent.csrf(t), "decision", "allow")
	}
	back := decide().location(t)
	if back.Get("state") != "st4te" || back.Get("iss") != r.URL() || back.Get("error") != "" {
		t.Errorf("redirected with state %q, iss %q, error %q", back.Get("state"), back.Get("iss"), back.Get("error"))
	}
	decide().want(t, 400, "") // a second click
	answer := r.exchange(back.Get("code")).want(t, 200, "")
	if c := claims(t, answer.field(t, "id_token")); c["email"] != "you@there.test" {
		t.Errorf("id token of %v", c["email"])
	}
	r.refresh(answer.field(t, "refresh_token")).want(t, 200, "")
	if c := r.Counters(); c.AuthorizeRequests != 1 || c.CodeExchanges != 1 || c.Refreshes != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	for _, path := range []string{authorizePath(), "/codex/device", "/", "/oauth/authorize"} {
		res := r.get(path)
		csp := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || res.Header.Get("Referrer-Policy") != "no-referrer" || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", path, res.Header)
		}
		for _, attribute := range []string{`src="http`, `href="http`, "<script", "style="} {
			if strings.Contains(res.text, attribute) {
				t.Errorf("%s has %s", path, attribute)
			}
		}
	}
	css := r.get("/sandbox/style.css").want(t, 200, "")
	if !strings.HasPrefix(css.Header.Get("Content-Type"), "text/css") || strings.Contains(css.text, "url(") {
		t.Error("the style sheet is no CSS or loads something")
	}
}

// Of many clicks on Allow one gives a code.
func TestDecidingIsAtomic(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	csrf := r.form("/oauth/authorize/login", "csrf", r.get(authorizePath()).csrf(t), "email", "a@b.test").csrf(t)
	var codes atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if res := r.form("/oauth/authorize/decide", "csrf", csrf, "decision", "allow"); res.err == nil && res.StatusCode == http.StatusSeeOther {
				codes.Add(1)
			}
		})
	}
	wg.Wait()
	if codes.Load() != 1 {
		t.Errorf("%d codes", codes.Load())
	}
}

func TestDeny(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	login := r.get(authorizePath())
	consent := r.form("/oauth/authorize/login", "csrf", login.csrf(t), "email", "a@b.test")
	back := r.form("/oauth/authorize/decide", "csrf", consent.csrf(t), "decision", "deny").location(t)
	if back.Get("error") != "access_denied" || back.Get("state") != "st4te" || back.Get("code") != "" {
		t.Errorf("redirected with %v", back)
	}
}

func TestErrorsBeforeTheRedirectURIIsGoodAreShown(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	paths := map[string]string{
		"no client":       authorizePath("client_id", ""),
		"other client":    authorizePath("client_id", "evil"),
		"twice":           authorizePath() + "&state=again",
		"not well formed": authorizePath() + "&x=%zz",
	}
	for _, uri := range []string{"", "http://localhost/auth/callback", "http://localhost:0/auth/callback", "http://localhost:65536/auth/callback",
		"http://localhost:01455/auth/callback", "http://localhost:1455/auth/callback/", "http://localhost:1455/auth/callback?x=1",
		"https://localhost:1455/auth/callback", "http://localhost:1455@evil.test/auth/callback", "http://localhost.evil.test:1455/auth/callback",
		"http://[::1]:1455/auth/callback", "http://evil.test:1455/auth/callback", "http://localhost:+145/auth/callback"} {
		paths["redirect to "+uri] = authorizePath("redirect_uri", uri)
	}
	for name, path := range paths {
		t.Run(name, func(t *testing.T) {
			res := r.get(path).want(t, 400, "")
			if res.Header.Get("Location") != "" || !strings.Contains(res.text, `id="error"`) {
				t.Errorf("Location %q, page %s", res.Header.Get("Location"), res.text)
			}
		})
	}
	r.get(authorizePath("redirect_uri", "http://127.0.0.1:40001/auth/callback")).want(t, http.StatusSeeOther, "")
}

func TestLaterErrorsAreRedirected(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	for _, c := range []struct{ param, value, code string }{
		{"response_type", "token", "unsupported_response_type"},
		{"response_type", "", "unsupported_response_type"},
		{"state", "", "invalid_request"},
		{"code_challenge_method", "plain", "invalid_request"},
		{"code_challenge_method", "", "invalid_request"},
		{"code_challenge", "", "invalid_request"},
		{"code_challenge", "short", "invalid_request"},
		{"code_challenge", strings.Repeat("+", 43), "invalid_request"},
		{"scope", "", "invalid_scope"},
		{"scope", "openid admin", "invalid_scope"},
		{"allowed_workspace_id", "acc-x,acc-y", "access_denied"},
	} {
		t.Run(c.param+"="+c.value, func(t *testing.T) {
			back := r.get(authorizePath(c.param, c.value)).location(t)
			if back.Get("error") != c.code || back.Get("error_description") == "" || back.Get("iss") != r.URL() || back.Get("code") != "" {
				t.Errorf("redirected with %v", back)
			}
			if want := map[bool]string{true: "", false: "st4te"}[c.param == "state"]; back.Get("state") != want {
				t.Errorf("state %q", back.Get("state"))
			}
		})
	}
}

func TestAllowedWorkspace(t *testing.T) {
	users := []sandbox.User{{Email: "a@b.test", AccountID: "acc-1"}, {Email: "c@d.test", AccountID: "acc-2"}}
	r := newRig(t, sandbox.Config{Users: users})
	path := authorizePath("allowed_workspace_id", "acc-0,acc-1")
	for email, code := range map[string]string{"a@b.test": "", "C@d.test": "access_denied"} {
		res := r.form("/oauth/authorize/login", "csrf", r.get(path).csrf(t), "email", email)
		if code == "" {
			res.want(t, 200, "")
		} else if back := res.location(t); back.Get("error") != code {
			t.Errorf("%s: redirected with %v", email, back)
		}
	}
	res := r.form("/oauth/authorize/login", "csrf", r.get(path).csrf(t), "email", "<x>@b.test").want(t, 422, "")
	if !strings.Contains(res.text, "a@b.test, c@d.test only") || strings.Contains(res.text, "<x>") {
		t.Errorf("page for an unknown user: %s", res.text)
	}
}

func TestFormsNeedTheirTokenAndCookie(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	csrf := r.get(authorizePath()).csrf(t)
	r.form("/oauth/authorize/login", "email", "a@b.test").want(t, 400, "")
	r.form("/oauth/authorize/login", "csrf", "guessed", "email", "a@b.test").want(t, 400, "")
	r.form("/oauth/authorize/decide", "csrf", csrf, "decision", "allow").want(t, 400, "") // before the login

	device := r.get("/codex/device").csrf(t)
	r.form("/oauth/authorize/login", "csrf", device, "email", "a@b.test").want(t, 400, "")
	r.form("/codex/device", "csrf", r.get(authorizePath()).csrf(t), "user_code", "x", "email", "a@b.test").want(t, 400, "")
	r.form("/codex/device/decide", "csrf", device, "decision", "allow").want(t, 400, "")

	csrf = r.get(authorizePath()).csrf(t)
	r.client.Jar = nil // another browser
	r.form("/oauth/authorize/login", "csrf", csrf, "email", "a@b.test").want(t, 400, "")
}

func TestCodeIsSingleUse(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	code := r.get(authorizePath()).location(t).Get("code")
	token := r.exchange(code).field(t, "refresh_token")
	r.exchange(code).want(t, 400, "invalid_grant")
	r.refresh(token).want(t, 401, "refresh_token_invalidated")
	if c := r.Counters(); c.CodeReplays != 1 || c.FamiliesRevoked != 1 || c.CodeExchanges != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestCodeIsBoundAndShortLived(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	send := func(code, uri, verifier string) reply {
		return r.form("/oauth/token", "grant_type", "authorization_code", "code", code, "redirect_uri", uri,
			"client_id", sandbox.DefaultClientID, "code_verifier", verifier)
	}
	newCode := func() string { return r.get(authorizePath()).location(t).Get("code") }
	send(newCode(), redirectURI, strings.Repeat("x", 43)).want(t, 400, "invalid_grant")
	send(newCode(), redirectURI, "short").want(t, 400, "invalid_grant")
	send(newCode(), "http://127.0.0.1:1455/auth/callback", verifier).want(t, 400, "invalid_grant")

	burnt := newCode()
	send(burnt, redirectURI, strings.Repeat("x", 43)).want(t, 400, "invalid_grant")
	send(burnt, redirectURI, verifier).want(t, 400, "invalid_grant")

	late := newCode()
	r.SetClockOffset(5 * time.Minute)
	send(late, redirectURI, verifier).want(t, 400, "invalid_grant")
	if c := r.Counters(); c.CodeExchanges != 0 || c.Refused != 6 {
		t.Errorf("counters %+v", c)
	}
}

// RFC 7636 §4.1: a verifier has 43 to 128 characters, even if its hash fits.
func TestVerifierMustBeLongEnough(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	for verifier, status := range map[string]int{strings.Repeat("v", 42): 400, strings.Repeat("v", 43): 200, strings.Repeat("v", 128): 200, strings.Repeat("v", 129): 400, strings.Repeat("+", 43): 400} {
		sum := sha256.Sum256([]byte(verifier))
		code := r.get(authorizePath("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))).location(t).Get("code")
		r.form("/oauth/token", "grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI,
			"client_id", sandbox.DefaultClientID, "code_verifier", verifier).want(t, status, "")
	}
}

func TestExchangeWithoutRefreshToken(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	r.faults("no-refresh-token*1")
	lacks("refresh_token")(t, r.exchange(r.get(authorizePath()).location(t).Get("code")))
}

func TestNoOfflineAccessNoRefreshToken(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true})
	code := r.get(authorizePath("scope", "openid", "nonce", "n0nce")).location(t).Get("code")
	f := r.exchange(code).want(t, 200, "").fields(t)
	if f["refresh_token"] != nil || f["scope"] != "openid" || claims(t, f["id_token"].(string))["nonce"] != "n0nce" {
		t.Errorf("answer %v", f)
	}
}

func TestAutoApproveTakesTheHint(t *testing.T) {
	r := newRig(t, sandbox.Config{AutoApprove: true, Users: []sandbox.User{{Email: "a@b.test"}, {Email: "c@d.test"}}})
	for hint, want := range map[string]string{"": "a@b.test", "c@d.test": "c@d.test", "x@y.test": "a@b.test"} {
		code := r.get(authorizePath("login_hint", hint)).location(t).Get("code")
		if c := claims(t, r.exchange(code).field(t, "id_token")); c["email"] != want {
			t.Errorf("hint %q signed %v in", hint, c["email"])
		}
	}
}

func TestCodeWithoutBrowser(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	answer := r.exchange(r.Code(redirectURI, verifier)).want(t, 200, "")
	r.refresh(answer.field(t, "refresh_token")).want(t, 200, "")
	r.form("/oauth/token", "grant_type", "authorization_code", "code", r.Code(redirectURI, verifier), "redirect_uri", redirectURI,
		"client_id", sandbox.DefaultClientID, "code_verifier", strings.Repeat("x", 43)).want(t, 400, "invalid_grant")
}
