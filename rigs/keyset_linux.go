package main

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"time"
)

// keySet is an RFC 7517 key set of RSA keys.
type keySet struct {
	Keys []struct{ Kty, Kid, N, E string }
}

// verify checks an access token as a resource server would: signed by this key
// set (RS256) and not expired.
func (s keySet) verify(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("no JWT")
	}
	decode := base64.RawURLEncoding.DecodeString
	signature, err := decode(parts[2])
	payload, err2 := decode(parts[1])
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err := errors.Join(err, err2, json.Unmarshal(payload, &claims)); err != nil {
		return err
	}
	if !time.Now().Before(time.Unix(claims.Exp, 0)) {
		return errors.New("an expired token")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for _, k := range s.Keys {
		n, err := decode(k.N)
		e, err2 := decode(k.E)
		if k.Kty != "RSA" || err != nil || err2 != nil {
			continue
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil {
			return nil
		}
	}
	return errors.New("not signed by this server")
}
