package sandbox

import "net/http"

func (s *Server) discoveryRoutes(mux *http.ServeMux) {
	metadata := func() any { return s.metadata() }
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery(metadata))
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", s.discovery(metadata))
	mux.HandleFunc("GET /.well-known/jwks.json", s.discovery(func() any { return map[string]any{"keys": []jwk{s.signer.jwk}} }))
}

func (s *Server) discovery(document func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.count(func(c *Counters) { c.DiscoveryRequests++ })
		if s.cfg.NoDiscovery {
			http.Error(w, "this sandbox was told to have no metadata", http.StatusNotFound)
			return
		}
		writeJSON(w, http.StatusOK, document())
	}
}

// metadata is the document of RFC 8414 §2 and OpenID Connect Discovery §3.
func (s *Server) metadata() map[string]any {
	return map[string]any{
		"issuer":                                         s.issuer,
		"authorization_endpoint":                         s.issuer + "/oauth/authorize",
		"token_endpoint":                                 s.issuer + "/oauth/token",
		"revocation_endpoint":                            s.issuer + "/oauth/revoke",
		"device_authorization_endpoint":                  s.issuer + "/oauth/device/code",
		"jwks_uri":                                       s.issuer + "/.well-known/jwks.json",
		"scopes_supported":                               supportedScopes(),
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", deviceGrant},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none"},
		"revocation_endpoint_auth_methods_supported":     []string{"none"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{s.signer.jwk.Alg},
		"authorization_response_iss_parameter_supported": true,
	}
}
