package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// A person signs in at the foreign server by its forms, with a browser session of
// their own.
type person struct {
	email string
	hc    *http.Client
}

func newPerson() *person {
	jar, _ := cookiejar.New(nil) // documented to return no error
	return &person{rand.Text() + "@bench.test", &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// code returns the authorization code for rig.RedirectURI and rig.Verifier.
func (p *person) code(endpoint string) (string, error) {
	sum := sha256.Sum256([]byte(rig.Verifier))
	callback, err := p.approve(endpoint + "?" + url.Values{
		"response_type": {"code"}, "client_id": {sandbox.DefaultClientID}, "redirect_uri": {rig.RedirectURI}, "state": {"bench"},
		"scope": {"openid profile email offline_access"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}.Encode())
	if err != nil {
		return "", err
	}
	if code := callback.Query().Get("code"); code != "" {
		return code, nil
	}
	return "", fmt.Errorf("no code came back: %s", callback.Query().Get("error"))
}

// approve follows an address to where the server sends the browser in the end.
func (p *person) approve(address string) (callback *url.URL, err error) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	for range 20 {
		if err != nil {
			return nil, err
		}
		resp, err := p.hc.Do(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		next, err := resp.Location()
		switch {
		case err == nil && next.Path == "/auth/callback":
			return next, nil
		case err == nil:
			req, err = http.NewRequest(http.MethodGet, next.String(), nil)
		case resp.StatusCode == http.StatusOK:
			req, err = p.fillIn(resp.Request.URL, string(body))
		default:
			return nil, fmt.Errorf("the sign-in page is answered with %s", resp.Status)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the sign-in took too many steps")
}

var formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

func (p *person) fillIn(at *url.URL, page string) (*http.Request, error) {
	found := formAction.FindStringSubmatch(page)
	if found == nil {
		return nil, errors.New("a page without a form")
	}
	target, err := at.Parse(html.UnescapeString(found[1]))
	if err != nil {
		return nil, err
	}
	form := url.Values{"decision": {"allow"}, "email": {p.email}}
	req, err := http.NewRequest(http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, err
}

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
