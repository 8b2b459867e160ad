package codexauth

import (
	"fmt"
	"net/url"
	"strings"

	"codexauth/internal/oauth"
)

// Provider is an authorization server and the client that we are to it. The
// zero Provider is OpenAI's.
type Provider struct {
	// Issuer is the server's issuer identifier: https, or http on a loopback
	// address. Empty means OpenAI.
	Issuer string
	// ClientID is the public client's id. Empty means the one of the official
	// command line.
	ClientID string
	// Scopes asked for at sign-in. Nil means openid profile email offline_access.
	Scopes []string
	// BackendURL is the API that the tokens are for: the one origin and path
	// prefix that a request is signed for. Empty means ChatGPT's Codex backend
	// for OpenAI, and /backend-api/codex under any other issuer.
	BackendURL string
	// UsageURL tells how much of the account's limits is used: the one URL
	// other than BackendURL, at its origin, that a request is signed for. Empty means
	// wham/usage in place of the backend's last path element.
	UsageURL string
}

// Complete returns p with every field filled in, or what is wrong with it.
func (p Provider) Complete() (Provider, error) {
	if p.Issuer == "" {
		p.Issuer = oauth.OpenAIIssuer
	}
	p.Issuer = strings.TrimSuffix(p.Issuer, "/")
	if err := oauth.CheckIssuer(p.Issuer); err != nil {
		return p, err
	}
	if p.ClientID == "" {
		p.ClientID = oauth.OpenAIClientID
	}
	if p.Scopes == nil {
		p.Scopes = oauth.DefaultScopes()
	}
	if p.BackendURL == "" && p.Issuer == oauth.OpenAIIssuer {
		p.BackendURL = oauth.OpenAIBackend
	}
	if p.BackendURL == "" {
		p.BackendURL = p.Issuer + "/backend-api/codex"
	}
	p.BackendURL = strings.TrimSuffix(p.BackendURL, "/")
	if err := oauth.CheckIssuer(p.BackendURL); err != nil {
		return p, fmt.Errorf("the backend's URL: %w", err)
	}
	if u, _ := url.Parse(p.BackendURL); u.Path != u.EscapedPath() || strings.Contains(u.Path, "..") {
		return p, fmt.Errorf("%w: the backend's URL %q has an escaped path", ErrIssuer, p.BackendURL)
	}
	return p, p.completeUsage()
}
