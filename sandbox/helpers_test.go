package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"codexauth/sandbox"
)

const (
	verifier    = "a-verifier-that-is-long-enough-for-rfc-7636-and-more"
	redirectURI = "http://localhost:1455/auth/callback"
	scopes      = "openid profile email offline_access"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
)

// A rig is a sandbox and a client that follows no redirects.
type rig struct {
	*sandbox.Server
	t      *testing.T
	client *http.Client
}

func newRig(t *testing.T, cfg sandbox.Config) *rig {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &rig{Server: sandbox.New(t, cfg), t: t, client: &http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// A reply is what came back, with its body read.
type reply struct {
	*http.Response
	text string
	err  error // of the request or of reading the body
}

func (r *rig) do(method, path, kind, body string, headers ...string) reply {
	r.t.Helper()
	req, err := http.NewRequest(method, r.URL()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{Response: res, text: string(text), err: err}
}

func (r *rig) get(path string, headers ...string) reply {
	r.t.Helper()
	return r.do("GET", path, "", "", headers...)
}

func (r *rig) form(path string, pairs ...string) reply {
	r.t.Helper()
	return r.do("POST", path, "application/x-www-form-urlencoded", values(pairs...).Encode())
}

func (r *rig) json(path, body string) reply {
	r.t.Helper()
	return r.do("POST", path, "application/json", body)
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func (r *rig) refresh(token string) reply {
	r.t.Helper()
	return r.form("/oauth/token", "grant_type", "refresh_token", "refresh_token", token, "client_id", sandbox.DefaultClientID)
}

func (r *rig) exchange(code string) reply {
	r.t.Helper()
	return r.form("/oauth/token", "grant_type", "authorization_code", "code", code, "redirect_uri", redirectURI,
		"client_id", sandbox.DefaultClientID, "code_verifier", verifier)
}

// authorizePath is a good authorization request, changed by pairs; an empty
// value takes a parameter away.
func authorizePath(pairs ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	v := values("client_id", sandbox.DefaultClientID, "redirect_uri", redirectURI, "response_type", "code",
		"scope", scopes, "state", "st4te", "code_challenge_method", "S256",
		"code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return "/oauth/authorize?" + v.Encode()
}

// location is the query of a redirect to the client.
func (p reply) location(t *testing.T) url.Values {
	t.Helper()
	if p.err != nil {
		t.Fatal(p.err)
	}
	u, err := url.Parse(p.Header.Get("Location"))
	if err != nil || p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(u.String(), redirectURI+"?") {
		t.Fatalf("status %d, Location %q; want a redirect to the client\n%s", p.StatusCode, p.Header.Get("Location"), p.text)
	}
	return u.Query()
}

// fields is a JSON body.
func (p reply) fields(t *testing.T) map[string]any {
	t.Helper()
	if p.err != nil {
		t.Fatal(p.err)
	}
	var f map[string]any
	if err := json.Unmarshal([]byte(p.text), &f); err != nil {
		t.Fatalf("status %d, no JSON object: %q", p.StatusCode, p.text)
	}
	return f
}

func (p reply) field(t *testing.T, name string) string {
	t.Helper()
	v, _ := p.fields(t)[name].(string)
	if v == "" {
		t.Fatalf("status %d, no %s in %s", p.StatusCode, name, p.text)
	}
	return v
}

// want checks the status, and the code of an error in either shape.
func (p reply) want(t *testing.T, status int, code string) reply {
	t.Helper()
	if p.err != nil {
		t.Fatalf("no answer: %v; want %d", p.err, status)
	}
	if p.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", p.StatusCode, status, p.text)
	}
	if code == "" {
		return p
	}
	got := p.fields(t)["error"]
	if nested, ok := got.(map[string]any); ok {
		got = nested["code"]
	}
	if got != code {
		t.Fatalf("error %v, want %s: %s", got, code, p.text)
	}
	return p
}

// csrf is the token in a page's form.
func (p reply) csrf(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(p.text)
	if m == nil {
		t.Fatalf("no CSRF token in the page: %s", p.text)
	}
	return m[1]
}

// claims are the payload of a JWT.
func claims(t *testing.T, jwt string) map[string]any {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("a JWT of %d parts", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func authClaims(t *testing.T, jwt string) map[string]any {
	t.Helper()
	auth, _ := claims(t, jwt)["https://api.openai.com/auth"].(map[string]any)
	return auth
}

func (r *rig) faults(specs ...string) {
	r.t.Helper()
	var faults []sandbox.Fault
	for _, spec := range specs {
		f, err := sandbox.ParseFault(spec)
		if err != nil {
			r.t.Fatal(err)
		}
		faults = append(faults, f)
	}
	if err := r.SetFaults(faults...); err != nil {
		r.t.Fatal(err)
	}
}
