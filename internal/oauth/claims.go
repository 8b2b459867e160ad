package oauth

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
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
	Account any `json:"chatgpt_account_id"`
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
	if err := unmarshalNumbers(raw, &p); err != nil || p == nil {
		return Claims{}, ErrJWTJSON
	}
	return p.claims(), nil
}

// unmarshalNumbers is json.Unmarshal that keeps the digits of numbers: an id can
// be one.
func unmarshalNumbers(data []byte, v any) error {
	if !json.Valid(data) { // a decoder does not look at what follows
		return ErrJWTJSON
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(v)
}

func (p *claimsJSON) claims() Claims {
	auth, profile := object(p.Auth), object(p.Profile)
	c := Claims{
		AccountID: cmp.Or(id(auth["chatgpt_account_id"]), id(p.Account)),
		Plan:      text(auth["chatgpt_plan_type"]),
		UserID:    cmp.Or(id(auth["chatgpt_user_id"]), id(auth["user_id"])),
		Email:     text(profile["email"]),
		Issuer:    text(p.Iss),
		Subject:   text(p.Sub),
		Expiry:    numericDate(p.Exp),
		IssuedAt:  numericDate(p.Iat),
	}
	c.FedRAMP, _ = auth["chatgpt_account_is_fedramp"].(bool)
	if c.Email == "" {
		c.Email = text(p.Email)
	}
	return c
}

// object is a claim that is an object, or the text of one.
func object(v any) map[string]any {
	if s, ok := v.(string); ok {
		var m map[string]any
		_ = unmarshalNumbers([]byte(s), &m)
		return m
	}
	m, _ := v.(map[string]any)
	return m
}

// id is an identifier, which some servers write as a number. One that could not
// stand in a header is none.
func id(v any) string {
	s := text(v)
	if n, ok := v.(json.Number); ok {
		s = n.String()
	}
	if !isGraphicASCII(s) {
		return ""
	}
	return s
}

// numericDate reads RFC 7519's NumericDate: seconds, perhaps with a fraction. Some
// servers write it as a string, or in milliseconds.
func numericDate(v any) time.Time {
	var f float64
	switch v := v.(type) {
	case json.Number:
		f, _ = v.Float64()
	case string:
		f, _ = strconv.ParseFloat(v, 64)
	}
	const inSeconds = 1e11 // more would be the year 5138; in milliseconds it is 1973
	if f >= inSeconds {
		f /= 1000
	}
	if !(f > 0 && f < inSeconds) {
		return time.Time{}
	}
	return time.Unix(int64(f), 0)
}
