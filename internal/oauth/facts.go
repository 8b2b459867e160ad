// Package oauth is the wire protocol: what is sent to an authorization server,
// what comes back, and what each answer means. Every fact about the service
// stands here and nowhere else, so that a change of the service is a change of
// this package.
package oauth

// The OpenAI authorization server, as its public command line uses it.
const (
	OpenAIIssuer  = "https://auth.openai.com"
	OpenAIBackend = "https://chatgpt.com/backend-api/codex"
	// OpenAIClientID is a public client: it has no secret.
	OpenAIClientID = "app_EMoamEEZ73f0CkXaXp7hrann"
)

// Where the endpoints are under an issuer that serves no metadata.
const (
	authorizePath = "/oauth/authorize"
	tokenPath     = "/oauth/token"
	revokePath    = "/oauth/revoke"
)

// Device codes in the service's own shape, which is not RFC 8628.
const (
	userCodePath       = "/api/accounts/deviceauth/usercode"
	devicePollPath     = "/api/accounts/deviceauth/token"
	devicePagePath     = "/codex/device"
	deviceCallbackPath = "/deviceauth/callback"
)

// The redirect URIs that the client is registered with: this path, and these
// ports in this order.
const CallbackPath = "/auth/callback"

// CallbackPorts returns the loopback ports that are registered as redirect URIs.
func CallbackPorts() []int { return []int{1455, 1457} }

// DefaultScopes returns what is asked for at sign-in.
func DefaultScopes() []string {
	return []string{"openid", "profile", "email", "offline_access"}
}

// AuthorizeExtras returns the service's own parameters of an authorization
// request. The originator is part of what the client id is registered for.
func AuthorizeExtras() map[string]string {
	return map[string]string{
		"id_token_add_organizations": "true",
		"codex_cli_simplified_flow":  "true",
		"originator":                 Originator,
	}
}

// Originator is sent at sign-in and to the backend.
const Originator = "codex_cli_rs"

// Headers of a request to the backend, in addition to Authorization, in the form in
// which net/http sends them.
const (
	AccountHeader    = "Chatgpt-Account-Id"
	FedRAMPHeader    = "X-Openai-Fedramp"
	OriginatorHeader = "Originator"
)

// Error codes of the token endpoint, in lower case.
const (
	CodeExpired     = "refresh_token_expired"
	CodeReused      = "refresh_token_reused"
	CodeInvalidated = "refresh_token_invalidated"
	// CodeInvalidGrant is RFC 6749 §5.2.
	CodeInvalidGrant = "invalid_grant"
)

// Error codes of a poll for a device code: RFC 8628 §3.5.
const (
	codePending     = "authorization_pending"
	codeSlowDown    = "slow_down"
	codeDenied      = "access_denied"
	codeCodeExpired = "expired_token"
)
