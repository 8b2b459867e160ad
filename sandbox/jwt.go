package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// A signer signs JWTs with ES256 (RFC 7518 §3.4).
type signer struct {
	key *ecdsa.PrivateKey
	jwk jwk
}

// jwk is the public key as RFC 7517 writes it.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

func newSigner(random *source) (*signer, error) {
	// Not ecdsa.GenerateKey: it takes no seed. 32 random bytes are no valid key
	// once in 2^32 times.
	var key *ecdsa.PrivateKey
	var err error
	for range 8 {
		if key, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), random.bytes(32)); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	x, y := b64(point[1:33]), b64(point[33:65])
	// The key id is the thumbprint of RFC 7638: required members, in this order.
	thumb := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, x, y))
	return &signer{key: key, jwk: jwk{Kty: "EC", Crv: "P-256", X: x, Y: y, Kid: b64(thumb[:]), Use: "sig", Alg: "ES256"}}, nil
}

// sign returns claims as a JWT. The same claims give the same JWT: without a
// source of randomness the signature is the deterministic one of RFC 6979.
func (s *signer) sign(claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": s.jwk.Kid, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(signed))
	der, err := s.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return "", err
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return "", err
	}
	raw := make([]byte, 64)
	sig.R.FillBytes(raw[:32])
	sig.S.FillBytes(raw[32:])
	return signed + "." + b64(raw), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
