package oauth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Errors of ParseClaims and Claims.
var (
	ErrJWTParts    = errors.New("not a JWT: it does not have exactly three parts")
	ErrJWTEncoding = errors.New("not a JWT: its payload is not base64url")
	ErrJWTJSON     = errors.New("not a JWT: its payload is not a JSON object")
	ErrNoAccountID = errors.New("the token's claim https://api.openai.com/auth has no chatgpt_account_id")
)

// Claims is what the payload of a token says. Nobody has verified its
// signature: it came over TLS from the issuer.
type Claims struct {
	AccountID string // chatgpt_account_id; empty if absent
	Email     string
	Plan      string // chatgpt_plan_type, whatever its value
	UserID    string
	FedRAMP   bool
	Issuer    string
	Subject   string
	Expiry    time.Time // zero if absent
	IssuedAt  time.Time // zero if absent
}

// claimsJSON names the claims of the service. Fields whose type a server might
// change are read leniently: a surprise in one must not hide the others.
type claimsJSON struct {
	Iss     any `json:"iss"`
	Sub     any `json:"sub"`
	Exp     any `json:"exp"`
	Iat     any `json:"iat"`
	Email   any `json:"email"`
	Auth    any `json:"https://api.openai.com/auth"`
	Profile any `json:"https://api.openai.com/profile"`
}

// ParseClaims reads the payload of a JWT (RFC 7519) without verifying it.
func ParseClaims(jwt string) (Claims, error) {
	header, rest, ok := strings.Cut(jwt, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || header == "" || payload == "" || strings.Contains(signature, ".") {
		return Claims{}, ErrJWTParts
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return Claims{}, ErrJWTEncoding
	}
	var p *claimsJSON
	if err := json.Unmarshal(raw, &p); err != nil || p == nil {
		return Claims{}, ErrJWTJSON
	}
	return p.claims(), nil
}

func (p *claimsJSON) claims() Claims {
	auth, _ := p.Auth.(map[string]any)
	profile, _ := p.Profile.(map[string]any)
	c := Claims{
		AccountID: text(auth["chatgpt_account_id"]),
		Plan:      text(auth["chatgpt_plan_type"]),
		UserID:    text(auth["chatgpt_user_id"]),
		Email:     text(profile["email"]),
		Issuer:    text(p.Iss),
		Subject:   text(p.Sub),
		Expiry:    numericDate(p.Exp),
		IssuedAt:  numericDate(p.Iat),
	}
	c.FedRAMP, _ = auth["chatgpt_account_is_fedramp"].(bool)
	if c.UserID == "" {
		c.UserID = text(auth["user_id"])
	}
	if c.Email == "" {
		c.Email = text(p.Email)
	}
	return c
}

// numericDate reads RFC 7519's NumericDate: seconds, perhaps with a fraction.
func numericDate(v any) time.Time {
	f, ok := v.(float64)
	if !ok || !(f > 0 && f < 1e11) {
		return time.Time{}
	}
	return time.Unix(int64(f), 0)
}
