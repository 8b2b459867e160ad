package oauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
)

// PKCE is a pair of RFC 7636 with the S256 method.
type PKCE struct {
	Verifier  string // secret until the code is exchanged
	Challenge string
}

// NewPKCE makes a pair from 64 random bytes: 86 characters, within the 43 to
// 128 that RFC 7636 §4.1 allows.
func NewPKCE() PKCE {
	v := randomString(64)
	sum := sha256.Sum256([]byte(v))
	return PKCE{Verifier: v, Challenge: base64.RawURLEncoding.EncodeToString(sum[:])}
}

// NewState makes the state of one authorization request: 32 random bytes.
func NewState() string { return randomString(32) }

func randomString(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// AuthorizeRequest is an authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3).
type AuthorizeRequest struct {
	Endpoint    string
	ClientID    string
	RedirectURI string
	Scopes      []string
	State       string
	Challenge   string
	Extra       map[string]string
}

// URL returns what the person's browser opens. It holds the state and the
// challenge, neither of which is a secret in the browser of that person.
func (r AuthorizeRequest) URL() (string, error) {
	u, err := url.Parse(r.Endpoint)
	if err != nil {
		return "", err
	}
	q := u.Query()
	for k, v := range r.Extra {
		q.Set(k, v)
	}
	q.Set("response_type", "code")
	q.Set("client_id", r.ClientID)
	q.Set("redirect_uri", r.RedirectURI)
	q.Set("scope", strings.Join(r.Scopes, " "))
	q.Set("state", r.State)
	q.Set("code_challenge", r.Challenge)
	q.Set("code_challenge_method", "S256")
	// Spaces as %20: some authorization servers take a plus sign literally.
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String(), nil
}
