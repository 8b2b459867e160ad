package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
)

// Code consents for the default user without a browser and returns the
// authorization code that the browser would have brought to redirectURI.
// Whoever redeems it shows the same redirectURI and verifier (RFC 7636). Every
// scope that the sandbox knows is granted.
func (s *Server) Code(redirectURI, verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newCode(authRequest{
		redirectURI: redirectURI,
		challenge:   base64.RawURLEncoding.EncodeToString(sum[:]),
		scope:       supportedScopes(),
	}, s.defaultUser())
}
