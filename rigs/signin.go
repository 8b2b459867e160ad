package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/internal/rig/person"
	"codexauth/sandbox"
)

// renew signs in once more, with an access token that has expired.
func (t *trial) renew() error {
	t.Server.SetAccessTTL(-time.Hour)
	err := t.SignIn()
	t.Server.SetAccessTTL(time.Hour)
	t.Server.ResetCounters()
	return err
}

// signInAs signs one of several users in.
func (t *trial) signInAs(email string) error {
	hc := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(authorizeURL(t.Issuer+"/oauth/authorize", email))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		return fmt.Errorf("%s was not sent back: %s", email, resp.Status)
	}
	return t.Redeem(codexauth.Grant{Code: back.Query().Get("code"), RedirectURI: rig.RedirectURI, Verifier: rig.Verifier}, nil)
}

// authorizeURL is where somebody signs in; hint may be empty.
func authorizeURL(endpoint, hint string) string {
	sum := sha256.Sum256([]byte(rig.Verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {sandbox.DefaultClientID}, "redirect_uri": {rig.RedirectURI}, "state": {"rigs"},
		"scope": {"openid profile email offline_access"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}
	if hint != "" {
		query.Set("login_hint", hint)
	}
	return endpoint + "?" + query.Encode()
}

// accounts are the ids of both users' accounts.
func (t *trial) accounts() map[string]string {
	ids := map[string]string{}
	for _, email := range []string{ann, bob} {
		ids[email] = t.Server.Issue(sandbox.User{Email: email}).AccountID
	}
	return ids
}

// playLogin signs in over the login that is there, with a person who follows the
// address that is printed.
func playLogin(t *trial, env []string) (*running, error) {
	r, err := t.Start("faultpoints", env, "login", "--no-browser", "--force")
	if err != nil {
		return nil, err
	}
	address := ""
	err = rig.Until("the address to sign in at", func() bool {
		for line := range strings.Lines(r.Errs.String()) {
			if strings.HasPrefix(line, t.Issuer) {
				address = strings.TrimSpace(line)
			}
		}
		return address != "" || !r.Runs()
	})
	if err != nil || address == "" {
		return r, err
	}
	if t.foreign != nil {
		if address, err = person.New(rand.Text() + "@rigs.test").Approve(address); err != nil {
			return r, err
		}
	}
	hc := http.Client{Timeout: 20 * time.Second}
	if resp, err := hc.Get(address); err == nil { // a kill can cut the answer off
		resp.Body.Close()
	}
	return r, nil
}
