package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// A foreign is a running oidc-provider (npm), set up in e2e/oidc: an
// authorization server that this project did not write. It rotates, finds reuse
// and then revokes the whole login.
type foreign struct {
	b            *run
	issuer       string
	control, key string
	authorize    string
	keys         keySet
	cmd          *exec.Cmd
	stdin        io.Closer
	expired      []*trial // signed in, and their access tokens have ended
}

// startForeign starts one, or says why it can't be had.
func (b *run) startForeign() (*foreign, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(filepath.Dir(file)), "e2e", "oidc")
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, skip{"node is not installed"}
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		return nil, skip{"oidc-provider is not installed: run `npm ci` in e2e/oidc"}
	}
	f := &foreign{b: b, cmd: exec.Command(node, "server.mjs")}
	f.cmd.Dir = dir
	if f.stdin, err = f.cmd.StdinPipe(); err != nil { // it ends with its standard input
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	if err := f.meet(out); err != nil {
		f.close()
		return nil, fmt.Errorf("oidc-provider: %w", err)
	}
	return f, nil
}

func (f *foreign) close() {
	for _, t := range f.expired {
		t.Close()
	}
	f.stdin.Close()
	f.cmd.Wait()
}

// meet reads where the server is, and its metadata.
func (f *foreign) meet(out io.Reader) error {
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("it did not start: %w", err)
	}
	var ready struct {
		Issuer, Control string
		ControlKey      string `json:"control_key"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		return err
	}
	f.issuer, f.control, f.key = ready.Issuer, ready.Control, ready.ControlKey
	var meta struct {
		Authorize string `json:"authorization_endpoint"`
		Keys      string `json:"jwks_uri"`
	}
	if err := getJSON(f.issuer+"/.well-known/openid-configuration", &meta); err != nil {
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

// ask talks to the server's control endpoint.
func (f *foreign) ask(method, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, f.control+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("X-Control-Key", f.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the control endpoint of oidc-provider: %s", resp.Status)
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

// counters are the server's, by the sandbox's names.
func (f *foreign) counters() (c sandbox.Counters, err error) {
	var n struct {
		TokenRequests int `json:"token_requests"`
		CodeExchanges int `json:"code_exchanges"`
		Refreshes     int `json:"refreshes"`
		Reuses        int `json:"reuses"`
		DeadFamily    int `json:"dead_family"`
		RevokedGrants int `json:"revoked_grants"`
	}
	err = f.ask(http.MethodGet, "/counters", nil, &n)
	return sandbox.Counters{
		TokenRequests: n.TokenRequests, CodeExchanges: n.CodeExchanges, Refreshes: n.Refreshes,
		Reuses: n.Reuses, DeadFamily: n.DeadFamily, FamiliesRevoked: n.RevokedGrants,
	}, err
}

// setLife sets how long access tokens live that are issued from now on.
func (f *foreign) setLife(seconds int) error {
	return f.ask(http.MethodPut, "/settings", map[string]int{"access_token_ttl": seconds}, nil)
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
		f.ask(http.MethodPut, "/fault", map[string]any{"when": "after", "delay_ms": 10}, nil),
		f.ask(http.MethodDelete, "/counters", nil, nil))
}

// fill signs many in with tokens that live for a second, the least that this
// server knows, and waits until they have ended.
func (f *foreign) fill() error {
	if err := errors.Join(f.setLife(1), f.ask(http.MethodDelete, "/fault", nil, nil)); err != nil {
		return err
	}
	for range pool {
		t, err := f.b.newWithoutServer()
		if err != nil {
			return err
		}
		t.foreign, t.Issuer = f, f.issuer
		f.expired = append(f.expired, t)
		if err := t.SignIn(); err != nil {
			return err
		}
	}
	// A Date header has whole seconds, and teaches a clock that is off by as much.
	time.Sleep(2500 * time.Millisecond)
	return f.setLife(3600)
}

// grant has a new person sign in.
func (f *foreign) grant() (codexauth.Grant, error) {
	code, err := newPerson().code(f.authorize)
	return codexauth.Grant{Code: code, RedirectURI: rig.RedirectURI, Verifier: rig.Verifier}, err
}

// honours judges a token as a backend of this server's would.
func (f *foreign) honours(token string) (status int, err error) {
	if f.keys.verify(token) != nil {
		return http.StatusUnauthorized, nil
	}
	return http.StatusOK, nil
}
