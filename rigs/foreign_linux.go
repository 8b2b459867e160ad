package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/internal/rig/oidc"
	"codexauth/internal/rig/person"
	"codexauth/sandbox"
)

// A foreign is a server that this project did not write, as the judge.
type foreign struct {
	b         *run
	server    *oidc.Server
	authorize string
	keys      keySet
	expired   []*trial // signed in, and their access tokens have ended
}

// killForeign is kill at a server that this project did not write.
func killForeign(b *run) ([]verdict, error) {
	var sources []source
	for range 2 {
		f, err := b.startForeign()
		var s skip
		if errors.As(err, &s) && os.Getenv("CODEXAUTH_E2E_REQUIRED") != "1" && os.Getenv("CI") != "true" {
			fmt.Printf("  skip: %v\n", err)
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		defer f.close()
		sources = append(sources, f.newKilling)
	}
	return b.killAll("kill-oidc", sources...)
}

// startForeign starts one, or says why it can't be had.
func (b *run) startForeign() (*foreign, error) {
	server, err := oidc.Start()
	if errors.Is(err, oidc.ErrMissing) {
		return nil, skip{err.Error()}
	}
	if err != nil {
		return nil, err
	}
	f := &foreign{b: b, server: server}
	if err := f.meet(); err != nil {
		f.close()
		return nil, fmt.Errorf("oidc-provider: %w", err)
	}
	return f, nil
}

func (f *foreign) close() {
	f.drop()
	f.server.Close()
}

// drop gives up the logins that are left.
func (f *foreign) drop() {
	for _, t := range f.expired {
		t.Close()
	}
	f.expired = nil
}

// meet reads the server's metadata and keys.
func (f *foreign) meet() error {
	var meta struct {
		Authorize string `json:"authorization_endpoint"`
		Keys      string `json:"jwks_uri"`
	}
	if err := getJSON(f.server.Issuer+"/.well-known/openid-configuration", &meta); err != nil {
		return err
	}
	f.authorize = meta.Authorize
	return getJSON(meta.Keys, &f.keys)
}

func getJSON(url string, v any) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}

// counters are the server's, by the sandbox's names.
func (f *foreign) counters() (sandbox.Counters, error) {
	n, err := f.server.Counters()
	return sandbox.Counters{
		TokenRequests: n.TokenRequests, CodeExchanges: n.CodeExchanges, Refreshes: n.Refreshes,
		Reuses: n.Reuses, DeadFamily: n.DeadFamily, FamiliesRevoked: n.RevokedGrants,
	}, err
}

// pool is how many logins are made to expire at once.
const pool = 40

// newKilling returns a login whose access token has ended, and sets the server to
// take its time after it has spent the token. Trials of one server must not
// overlap: they share its counters.
func (f *foreign) newKilling() (*trial, error) {
	if len(f.expired) == 0 {
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
	t := f.expired[0]
	f.expired = f.expired[1:]
	return t, errors.Join(
		f.server.Arm(oidc.Fault{When: oidc.After, DelayMS: 10}),
		f.server.Reset())
}

// fill signs many in with tokens that live for a second, the least that this
// server knows, and waits until they have ended.
func (f *foreign) fill() (err error) {
	defer func() {
		if err != nil {
			f.drop()
		}
	}()
	if err := errors.Join(f.server.SetAccessTokenLife(time.Second), f.server.Disarm()); err != nil {
		return err
	}
	for range pool {
		t, err := f.b.newWithoutServer()
		if err != nil {
			return err
		}
		t.foreign, t.Issuer, t.Grant = f, f.server.Issuer, f.grant
		f.expired = append(f.expired, t)
		if err := t.SignIn(); err != nil {
			return err
		}
	}
	// A Date header has whole seconds, and teaches a clock that is off by as much.
	time.Sleep(2500 * time.Millisecond)
	return f.server.SetAccessTokenLife(time.Hour)
}

// grant has a new person sign in.
func (f *foreign) grant() (codexauth.Grant, error) {
	back, err := person.New(rand.Text() + "@rigs.test").Approve(authorizeURL(f.authorize, ""))
	if err != nil {
		return codexauth.Grant{}, err
	}
	callback, err := url.Parse(back)
	if err != nil {
		return codexauth.Grant{}, err
	}
	code := callback.Query().Get("code")
	if code == "" {
		err = fmt.Errorf("no code came back: %s", callback.Query().Get("error"))
	}
	return codexauth.Grant{Code: code, RedirectURI: rig.RedirectURI, Verifier: rig.Verifier}, err
}

// honours judges a token as a backend of this server's would.
func (f *foreign) honours(token string) (status int, err error) {
	if f.keys.verify(token) != nil {
		return http.StatusUnauthorized, nil
	}
	return http.StatusOK, nil
}
