package rig

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ClientID is the client that the service registers for Codex.
const ClientID = "app_EMoamEEZ73f0CkXaXp7hrann"

// Scope is what a sign-in asks for.
const Scope = "openid profile email offline_access"

// A Client speaks OAuth to an issuer by hand: no retries, no storage. Tests
// use it to check the rig and to play the thief of a token.
type Client struct {
	Metadata Metadata
	http     *http.Client
}

// Metadata is the part of RFC 8414 that a Client needs.
type Metadata struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint"`
	TokenEndpoint         string `json:"token_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
}

// An Answer is what the token endpoint said.
type Answer struct {
	Status       int    `json:"-"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	ExpiresIn    int    `json:"expires_in"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}

// Discover reads the issuer's metadata.
func Discover(t testing.TB, issuer string) *Client {
	t.Helper()
	// A connection each: Node ends an idle one after five seconds, perhaps while a
	// request is on its way.
	c := &Client{http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	resp, err := c.http.Get(issuer + "/.well-known/oauth-authorization-server")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&c.Metadata); err != nil {
		t.Fatalf("metadata of %s: %v", issuer, err)
	}
	if c.Metadata.Issuer != issuer {
		t.Fatalf("metadata of %s names %s", issuer, c.Metadata.Issuer)
	}
	return c
}

// An Attempt is one authorization request.
type Attempt struct {
	URL         string
	State       string
	Verifier    string
	RedirectURI string
}

// NewAttempt makes a request as the Codex CLI does.
func (c *Client) NewAttempt(redirectURI string) Attempt {
	a := Attempt{State: rand.Text(), Verifier: rand.Text() + rand.Text(), RedirectURI: redirectURI}
	sum := sha256.Sum256([]byte(a.Verifier))
	a.URL = c.Metadata.AuthorizationEndpoint + "?" + url.Values{
		"response_type":              {"code"},
		"client_id":                  {ClientID},
		"redirect_uri":               {redirectURI},
		"scope":                      {Scope},
		"state":                      {a.State},
		"code_challenge":             {base64.RawURLEncoding.EncodeToString(sum[:])},
		"code_challenge_method":      {"S256"},
		"id_token_add_organizations": {"true"},
		"codex_cli_simplified_flow":  {"true"},
		"originator":                 {"codex_cli_rs"},
	}.Encode()
	return a
}

// Exchange trades the code of the callback URL.
func (c *Client) Exchange(t testing.TB, a Attempt, callback string) Answer {
	t.Helper()
	u, err := url.Parse(callback)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("state") != a.State || q.Get("code") == "" {
		t.Fatalf("the callback has another state, or no code: error %q", q.Get("error"))
	}
	return c.Token(t, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {q.Get("code")},
		"redirect_uri":  {a.RedirectURI},
		"client_id":     {ClientID},
		"code_verifier": {a.Verifier},
	})
}

// Refresh spends a refresh token.
func (c *Client) Refresh(t testing.TB, refreshToken string) Answer {
	t.Helper()
	return c.Token(t, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refreshToken},
		"client_id":     {ClientID},
	})
}

// Token posts a form to the token endpoint.
func (c *Client) Token(t testing.TB, form url.Values) Answer {
	t.Helper()
	status, body := c.post(t, c.Metadata.TokenEndpoint, "application/x-www-form-urlencoded", form.Encode())
	a := Answer{Status: status}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("token endpoint answered %d with no JSON: %v", status, err)
	}
	return a
}

// Active asks the server (RFC 7662) whether a refresh token is still good.
func (c *Client) Active(t testing.TB, refreshToken string) bool {
	t.Helper()
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}, "client_id": {ClientID}}
	status, body := c.post(t, c.Metadata.IntrospectionEndpoint, "application/x-www-form-urlencoded", form.Encode())
	var answer struct {
		Active *bool `json:"active"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Active == nil {
		t.Fatalf("introspection answered %d %s", status, body)
	}
	return *answer.Active
}

// PostJSON posts a JSON object to an endpoint and returns status and body.
func (c *Client) PostJSON(t testing.TB, endpoint string, object map[string]string) (int, []byte) {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return c.post(t, endpoint, "application/json", string(encoded))
}

func (c *Client) post(t testing.TB, endpoint, contentType, body string) (int, []byte) {
	t.Helper()
	resp, err := c.http.Post(endpoint, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// Claims reads the payload of a JWT, unverified.
func Claims(t testing.TB, jwt string) map[string]any {
	t.Helper()
	claims, err := parseClaims(jwt)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func parseClaims(jwt string) (map[string]any, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%d parts are no JWT", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, json.NewDecoder(bytes.NewReader(payload)).Decode(&claims)
}
