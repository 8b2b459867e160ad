package sandbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/sandbox"
)

func TestRotation(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	token := r.Issue(sandbox.User{}).RefreshToken
	for range 3 {
		res := r.refresh(token).want(t, 200, "")
		next := res.field(t, "refresh_token")
		if next == token {
			t.Fatal("the refresh token did not rotate")
		}
		if cc := res.Header.Get("Cache-Control"); cc != "no-store" {
			t.Errorf("Cache-Control %q", cc)
		}
		if f := res.fields(t); f["token_type"] != "Bearer" || f["expires_in"] != 3600.0 || f["id_token"] == nil || !strings.Contains(f["scope"].(string), "offline_access") {
			t.Errorf("answer %v", f)
		}
		token = next
	}
	if c := r.Counters(); c.Refreshes != 3 || c.RefreshRequests != 3 || c.TokenRequests != 3 || c.Reuses != 0 || c.Refused != 0 || c.MaxInFlight != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestRefreshAsJSON(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	body, _ := json.Marshal(map[string]string{"client_id": sandbox.DefaultClientID, "grant_type": "refresh_token",
		"refresh_token": r.Issue(sandbox.User{}).RefreshToken, "refresh_reason": "proactive_expiry"})
	r.json("/oauth/token", string(body)).want(t, 200, "").field(t, "access_token")
}

func TestReuseRevokesTheFamily(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	first := r.Issue(sandbox.User{}).RefreshToken
	other := r.Issue(sandbox.User{}).RefreshToken
	second := r.refresh(first).field(t, "refresh_token")
	r.refresh(first).want(t, 401, "refresh_token_reused")
	r.refresh(second).want(t, 401, "refresh_token_invalidated")
	r.refresh(other).want(t, 200, "")
	if c := r.Counters(); c.Reuses != 1 || c.DeadFamily != 1 || c.FamiliesRevoked != 1 || c.Refused != 2 || c.Refreshes != 2 {
		t.Errorf("counters %+v", c)
	}
}

func TestKeepFamily(t *testing.T) {
	r := newRig(t, sandbox.Config{KeepFamily: true})
	first := r.Issue(sandbox.User{}).RefreshToken
	second := r.refresh(first).field(t, "refresh_token")
	r.refresh(first).want(t, 401, "refresh_token_reused")
	r.refresh(second).want(t, 200, "")
	if c := r.Counters(); c.Reuses != 1 || c.FamiliesRevoked != 0 {
		t.Errorf("counters %+v", c)
	}
}

func TestGrace(t *testing.T) {
	r := newRig(t, sandbox.Config{Grace: time.Minute})
	first := r.Issue(sandbox.User{}).RefreshToken
	second := r.refresh(first).field(t, "refresh_token")
	if again := r.refresh(first).field(t, "refresh_token"); again != second {
		t.Error("within the grace the successor must be the same one")
	}
	r.SetClockOffset(2 * time.Minute)
	r.refresh(first).want(t, 401, "refresh_token_reused")
	r.refresh(second).want(t, 401, "refresh_token_invalidated")
	if c := r.Counters(); c.Refreshes != 2 || c.GraceRefreshes != 1 || c.Reuses != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestRefreshTokenExpires(t *testing.T) {
	r := newRig(t, sandbox.Config{RefreshTTL: time.Hour})
	token := r.Issue(sandbox.User{}).RefreshToken
	r.SetClockOffset(time.Hour)
	r.refresh(token).want(t, 401, "refresh_token_expired")
	r.SetClockOffset(0)
	r.refresh(token).want(t, 200, "")
}

func TestRevocation(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	tokens := r.Issue(sandbox.User{})
	other := r.Issue(sandbox.User{})
	body, _ := json.Marshal(map[string]string{"token": tokens.RefreshToken, "token_type_hint": "refresh_token", "client_id": sandbox.DefaultClientID})
	r.json("/oauth/revoke", string(body)).want(t, 200, "")
	r.refresh(tokens.RefreshToken).want(t, 401, "refresh_token_invalidated")
	r.form("/oauth/revoke", "token", other.AccessToken, "client_id", sandbox.DefaultClientID).want(t, 200, "")
	r.refresh(other.RefreshToken).want(t, 401, "refresh_token_invalidated")
	r.form("/oauth/revoke", "token", "unknown", "client_id", sandbox.DefaultClientID).want(t, 200, "")
	r.form("/oauth/revoke", "client_id", sandbox.DefaultClientID).want(t, 400, "invalid_request")
	r.form("/oauth/revoke", "token", "x", "client_id", "other").want(t, 400, "invalid_client")
	if c := r.Counters(); c.Revocations != 5 || c.FamiliesRevoked != 2 || c.DeadFamily != 2 {
		t.Errorf("counters %+v", c)
	}

	third := r.Issue(sandbox.User{})
	if !r.RevokeFamily(third.RefreshToken) || r.RevokeFamily("unknown") {
		t.Error("RevokeFamily does not report whether there is such a login")
	}
	fourth := r.Issue(sandbox.User{}).RefreshToken
	r.RevokeAll()
	r.refresh(fourth).want(t, 401, "refresh_token_invalidated")
}

func TestMalformedTokenRequests(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	id := sandbox.DefaultClientID
	token := r.Issue(sandbox.User{}).RefreshToken
	const form, js = "application/x-www-form-urlencoded", "application/json"
	for name, c := range map[string]struct{ kind, body, code string }{
		"no grant type":        {form, "client_id=" + id, "invalid_request"},
		"other grant type":     {form, "grant_type=password&client_id=" + id, "unsupported_grant_type"},
		"no client":            {form, "grant_type=refresh_token&refresh_token=" + token, "invalid_request"},
		"other client":         {form, "grant_type=refresh_token&client_id=x&refresh_token=" + token, "invalid_client"},
		"no refresh token":     {form, "grant_type=refresh_token&client_id=" + id, "invalid_request"},
		"twice":                {form, "grant_type=refresh_token&grant_type=refresh_token&client_id=" + id, "invalid_request"},
		"more scope":           {form, "grant_type=refresh_token&scope=admin&client_id=" + id + "&refresh_token=" + token, "invalid_scope"},
		"no code":              {form, "grant_type=authorization_code&client_id=" + id, "invalid_request"},
		"unknown code":         {form, "grant_type=authorization_code&code=x&redirect_uri=x&code_verifier=x&client_id=" + id, "invalid_grant"},
		"bad escape":           {form, "grant_type=%zz", "invalid_request"},
		"no kind":              {"", "grant_type=refresh_token", "invalid_request"},
		"other kind":           {"text/plain", "grant_type=refresh_token", "invalid_request"},
		"no JSON":              {js, "{", "invalid_request"},
		"JSON null":            {js, "null", "invalid_request"},
		"JSON number":          {js, `{"grant_type":1}`, "invalid_request"},
		"too long":             {form, "grant_type=" + strings.Repeat("x", 1<<20), "invalid_request"},
		"unknown device code":  {form, "grant_type=" + deviceGrant + "&device_code=x&client_id=" + id, "invalid_grant"},
		"device, other client": {form, "grant_type=" + deviceGrant + "&device_code=x&client_id=x", "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			r.do("POST", "/oauth/token", c.kind, c.body).want(t, 400, c.code)
		})
	}
	r.refresh("unknown").want(t, 401, "refresh_token_invalidated")
	if res := r.get("/oauth/token"); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET answers %d", res.StatusCode)
	}
	r.refresh(token).want(t, 200, "") // none of these spent it
	if c := r.Counters(); c.UnknownTokens != 1 || c.Refused != 19 {
		t.Errorf("counters %+v", c)
	}
}

func TestNarrowerScope(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	res := r.form("/oauth/token", "grant_type", "refresh_token", "refresh_token", r.Issue(sandbox.User{}).RefreshToken,
		"client_id", sandbox.DefaultClientID, "scope", "openid email").want(t, 200, "")
	if s := res.field(t, "scope"); s != "openid email" {
		t.Errorf("scope %q", s)
	}
}

// Of many who present one token at once, one gets its successor.
func TestSpendingIsAtomic(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	token := r.Issue(sandbox.User{}).RefreshToken
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 20 {
		wg.Go(func() {
			res := r.refresh(token)
			mu.Lock()
			defer mu.Unlock()
			statuses[res.StatusCode]++
		})
	}
	wg.Wait()
	if statuses[200] != 1 || statuses[401] != 19 {
		t.Errorf("statuses %v", statuses)
	}
	if c := r.Counters(); c.Refreshes != 1 || c.Reuses != 19 || c.FamiliesRevoked != 1 || c.DeadFamily != 18 || c.MaxInFlight < 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestClaims(t *testing.T) {
	user := sandbox.User{Email: "a@b.test", AccountID: "acc-1", UserID: "user-1", Plan: "team", FedRAMP: true}
	r := newRig(t, sandbox.Config{ClockOffset: -48 * time.Hour, AccessTTL: 90 * time.Second})
	tokens := r.Issue(user)
	if tokens.AccountID != "acc-1" || tokens.ExpiresIn != 90 {
		t.Errorf("account %q, expires in %d", tokens.AccountID, tokens.ExpiresIn)
	}
	for name, jwt := range map[string]string{"access": tokens.AccessToken, "id": tokens.IDToken} {
		c, auth := claims(t, jwt), authClaims(t, jwt)
		for claim, want := range map[string]any{"chatgpt_account_id": "acc-1", "chatgpt_plan_type": "team", "chatgpt_user_id": "user-1", "chatgpt_account_is_fedramp": true} {
			if auth[claim] != want {
				t.Errorf("%s token: %s is %v, want %v", name, claim, auth[claim], want)
			}
		}
		if c["iss"] != r.URL() || c["sub"] == "" || c["jti"] == "" || c["aud"] == nil {
			t.Errorf("%s token: claims %v", name, c)
		}
		iat, exp := c["iat"].(float64), c["exp"].(float64)
		if exp-iat != 90 || int64(exp) != tokens.ExpiresAt.Unix() {
			t.Errorf("%s token: iat %v, exp %v, ExpiresAt %v", name, iat, exp, tokens.ExpiresAt)
		}
		if age := time.Since(time.Unix(int64(iat), 0)); age < 47*time.Hour || age > 49*time.Hour {
			t.Errorf("%s token: iat is %v old, want 48h", name, age)
		}
	}
	if p := claims(t, tokens.AccessToken)["https://api.openai.com/profile"].(map[string]any); p["email"] != "a@b.test" {
		t.Errorf("profile %v", p)
	}
	if claims(t, tokens.IDToken)["email"] != "a@b.test" || authClaims(t, tokens.IDToken)["organizations"] == nil {
		t.Error("the id token lacks email or organizations")
	}
}

// The key set verifies what the server signs (RFC 7515 §5.2, RFC 7518 §3.4).
func TestSignature(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	var set struct {
		Keys []struct{ Kid, Kty, Crv, Alg, X, Y string }
	}
	if err := json.Unmarshal([]byte(r.get("/.well-known/jwks.json").want(t, 200, "").text), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("key set: %v, %d keys", err, len(set.Keys))
	}
	k := set.Keys[0]
	number := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, number(k.X)...), number(k.Y)...))
	if err != nil {
		t.Fatal(err)
	}
	tokens := r.Issue(sandbox.User{})
	for _, jwt := range []string{tokens.AccessToken, tokens.IDToken} {
		end := strings.LastIndex(jwt, ".")
		sig := number(jwt[end+1:])
		digest := sha256.Sum256([]byte(jwt[:end]))
		if len(sig) != 64 || !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
			t.Error("the signature does not verify")
		}
		var header struct{ Alg, Kid string }
		if err := json.Unmarshal(number(jwt[:strings.Index(jwt, ".")]), &header); err != nil || header.Alg != "ES256" || header.Kid != k.Kid {
			t.Errorf("header %+v, %v", header, err)
		}
	}
}

func TestSeedMakesTokensRepeat(t *testing.T) {
	fixed := func() time.Time { return time.Unix(1_800_000_000, 0) }
	run := func(seed uint64, addr string) (sandbox.Tokens, string, string) {
		s, err := sandbox.Start(sandbox.Config{Seed: seed, Now: fixed, Addr: addr, AutoApprove: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := &rig{Server: s, t: t, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
		code := r.get(authorizePath()).location(t).Get("code")
		return s.Issue(sandbox.User{}), code, strings.TrimPrefix(s.URL(), "http://")
	}
	a, codeA, addr := run(7, "")
	b, codeB, _ := run(7, addr)
	c, codeC, _ := run(8, addr)
	if a.RefreshToken != b.RefreshToken || codeA != codeB || a.AccessToken != b.AccessToken || a.IDToken != b.IDToken {
		t.Error("one seed gave two sets of tokens")
	}
	if a.RefreshToken == c.RefreshToken || codeA == codeC || a.AccessToken == c.AccessToken {
		t.Error("two seeds gave one set of tokens")
	}
}
