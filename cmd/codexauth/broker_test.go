package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// newServed is a box with a login and a broker, as serveBoth says.
func newServed(t *testing.T, b *box, args ...string) (s *served, socket, tcp string) {
	t.Helper()
	shortHome(t, b)
	b.signIn(t, "default")
	b.server.ResetCounters()
	return b.serveBoth(t, args...)
}

// serveBoth starts a broker on a socket and on TCP, and returns the address of either.
// Where there are no sockets, the first one has a key instead.
func (b *box) serveBoth(t *testing.T, args ...string) (s *served, socket, tcp string) {
	t.Helper()
	args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	if b.hasSockets(t) {
		s = b.serve(t, append(args, "--socket", filepath.Join(b.home, "serve.sock"))...)
		return s, "broker+unix:" + s.Socket, "broker+" + s.URL
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(b.addKey(t, "local", "--lease")), 0o600); err != nil {
		t.Fatal(err)
	}
	s = b.serve(t, args...)
	return s, "broker+" + s.URL + "?key-file=" + url.QueryEscape(file), "broker+" + s.URL
}

// hasSockets reports whether this system has Unix sockets, for whose path the box has
// room.
func (b *box) hasSockets(t *testing.T) bool {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(filepath.Dir(b.home), "s"))
	if err != nil && runtime.GOOS != "windows" {
		t.Fatal(err)
	}
	if err == nil {
		l.Close()
	}
	return err == nil
}

// client is a box that has the broker's address, and no store of its own.
func (b *box) client(t *testing.T, address string, env ...string) *box {
	t.Helper()
	home := t.TempDir()
	c := &box{server: b.server, home: b.home, env: append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home,
		"CODEXAUTH_STORE=" + address, "CODEXAUTH_ISSUER=" + b.server.URL(), raceEnv,
	}, env...)}
	return c
}

func (b *box) addKey(t *testing.T, args ...string) (key string) {
	t.Helper()
	r := b.run(t, append([]string{"serve", "key", "add"}, args...)...)
	if r.code != verdict.Done {
		t.Fatal(r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// Everything that a container does works with a socket alone, and with a key
// alone, and leaves nothing behind there.
func TestBrokerInPlaceOfAStore(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	s, socket, tcp := newServed(t, b)
	key := b.addKey(t, "leaser", "--lease")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	becomes(t, "the key", verdict.Done, func() int { return b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+key).run(t, "token").code })
	for name, c := range map[string]*box{
		"socket":        b.client(t, socket),
		"key":           b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+key),
		"key's file":    b.client(t, tcp, "CODEXAUTH_BROKER_KEY_FILE="+file),
		"file, address": b.client(t, tcp+"?key-file="+file),
	} {
		t.Run(name, func(t *testing.T) {
			stored := b.stored(t)
			if token := wantToken(t, c.run(t, "token")); token != stored.AccessToken {
				t.Error("another token")
			}
			for format, text := range map[string]string{"json": `"expires_at":"20`, "header": "\nchatgpt-account-id: ", "env": "export CODEXAUTH_ACCOUNT_ID="} {
				r := c.run(t, "token", "--format", format, "--min-valid", "10m")
				if r.code != verdict.Done || !strings.Contains(r.stdout, text) || !strings.Contains(r.stdout, stored.AccessToken) {
					t.Errorf("%s: exit %d %s", format, r.code, r.stderr)
				}
			}
			r := c.run(t, "status", "--json")
			var body statusBody
			if err := json.Unmarshal([]byte(r.stdout), &body); err != nil || body.State != "valid" || body.AccountID == nil || body.Email == nil ||
				!strings.HasPrefix(body.Store, "broker+") || strings.Contains(r.stdout, key) {
				t.Errorf("status: %s %v", r.stdout, err)
			}
			if r := c.run(t, "status"); !strings.Contains(r.stdout, "Broker ") || r.code != verdict.Done {
				t.Errorf("status: %s", r.stdout)
			}
			r = c.run(t, "exec", "--", "models", "7")
			if r.code != 7 || !strings.Contains(r.stdout, "gpt-sandbox") {
				t.Errorf("exec: exit %d, %q, %q", r.code, r.stdout, r.stderr)
			}
			for _, pair := range c.env {
				if home, ok := strings.CutPrefix(pair, "HOME="); ok {
					if left, err := os.ReadDir(home); err != nil || len(left) != 0 {
						t.Errorf("left behind: %v, %v", left, err)
					}
				}
			}
		})
	}
	c := b.client(t, socket)
	old := b.stored(t).AccessToken
	if r := c.run(t, "refresh"); r.code != verdict.Done || !strings.Contains(r.stderr, "Refreshed") || b.stored(t).AccessToken == old {
		t.Errorf("refresh: exit %d %s", r.code, r.stderr)
	}
	// A second one at once is refused, and takes nothing away.
	wantFailure(t, c.run(t, "refresh"), verdict.TryLater, "try again in")
	wantToken(t, c.run(t, "token"))
	if n := b.server.Counters(); n.Refreshes != 1 || n.Reuses != 0 {
		t.Errorf("%+v", n)
	}
	s.stop(t)
	if log := s.stderr.String(); strings.Contains(log, key) || strings.Contains(log, old) {
		t.Error("the broker's log holds a secret")
	}
}

// A tool that runs the command again because its token was refused gets another.
func TestBrokerRepeatMeansRefused(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	_, socket, _ := newServed(t, b)
	c := b.client(t, socket)
	first := wantToken(t, c.run(t, "token", "--repeat-means-refused"))
	second := wantToken(t, c.run(t, "token", "--repeat-means-refused"))
	if first == second || second != b.stored(t).AccessToken {
		t.Error("not another token")
	}
}

// Thirty-two processes with one expired login, by socket and by key: one request.
func TestStormByBroker(t *testing.T) {
	b := newBox(t, sandbox.Config{AccessTTL: -time.Hour})
	shortHome(t, b)
	b.signIn(t, "default")
	b.server.SetAccessTTL(time.Hour)
	key := b.addKey(t, "leaser", "--lease")
	b.setFaults(t, "latency-after=300ms", "rate-limit=1*1") // the broker starts without a token
	b.server.ResetCounters()
	_, socket, tcp := b.serveBoth(t)
	clients := []*box{b.client(t, socket), b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+key)}
	tokens := make([]string, 32)
	var all sync.WaitGroup
	for i := range tokens {
		all.Go(func() {
			r := clients[i%2].run(t, "token")
			if r.code != verdict.Done {
				t.Errorf("exit %d: %s", r.code, r.stderr)
			}
			tokens[i] = r.stdout
		})
	}
	all.Wait()
	for _, token := range tokens {
		if token == "" || token != tokens[0] {
			t.Fatal("not everybody has the same token")
		}
	}
	if c := b.server.Counters(); c.Refreshes != 1 || c.Reuses != 0 || c.TokenRequests != 2 { // with the one that was answered 429
		t.Errorf("%+v", c)
	}
}

func TestBrokerGoneAndBack(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	s, socket, _ := newServed(t, b)
	c := b.client(t, socket)
	first := wantToken(t, c.run(t, "token"))
	s.stop(t)
	again, why := []string{"--socket", s.Socket}, "no such socket"
	if s.Socket == "" {
		again, why = []string{"--listen", strings.TrimPrefix(s.URL, "http://")}, "refused"
	}
	wantFailure(t, c.run(t, "token"), verdict.TryLater, "does not answer", why, "codexauth serve")
	wantFailure(t, c.run(t, "status"), verdict.TryLater, "does not answer")
	if r := c.run(t, "exec", "--", "models"); r.code != exitOwnFailure {
		t.Errorf("exec: exit %d", r.code)
	}
	b.serve(t, again...)
	if wantToken(t, c.run(t, "token")) != first {
		t.Error("another token")
	}
	// Its login ends, and then is no longer accepted.
	if r := b.run(t, "logout", "--local"); r.code != verdict.Done {
		t.Fatal(r.stderr)
	}
	becomes(t, "the end of the login", verdict.SignedOut, func() int { return c.run(t, "status").code })
}

func TestBrokerSignedOutAndRefused(t *testing.T) {
	b := newBox(t, sandbox.Config{AccessTTL: 3 * time.Second})
	_, socket, _ := newServed(t, b)
	c := b.client(t, socket)
	b.setFaults(t, "refuse=refresh_token_reused")
	var r result
	becomes(t, "the refusal", verdict.Refused, func() int { r = c.run(t, "token"); return r.code })
	wantFailure(t, r, verdict.Refused, "no longer accepted", "`codexauth login` where the broker runs")
	if r := c.run(t, "status", "--json"); r.code != verdict.Refused || !strings.Contains(r.stdout, `"last_refusal":{"code":"`) {
		t.Errorf("status: exit %d %s %s", r.code, r.stdout, r.stderr)
	}
}

func TestBrokerKeys(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	_, _, tcp := newServed(t, b)
	plain, leaser := b.addKey(t, "plain"), b.addKey(t, "leaser", "--lease")
	c := b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+leaser)
	becomes(t, "the key", verdict.Done, func() int { return c.run(t, "token").code })
	p := b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+plain)
	for _, command := range []string{"token", "refresh"} {
		wantFailure(t, p.run(t, command), verdict.Usage, "proxy only", "--lease")
	}
	wantFailure(t, p.run(t, "status"), verdict.Usage, "may not ask for the status", "--status")
	wantFailure(t, b.client(t, tcp).run(t, "token"), verdict.Usage, "there is no key", "CODEXAUTH_BROKER_KEY_FILE")
	if r := b.run(t, "serve", "key", "revoke", "leaser"); r.code != verdict.Done {
		t.Fatal(r.stderr)
	}
	var r result
	becomes(t, "the revoked key's end", verdict.Refused, func() int { r = c.run(t, "token"); return r.code })
	wantFailure(t, r, verdict.Refused, "revoked or expired", "serve key add NAME --lease")
	if r := c.run(t, "token", "--json"); !strings.Contains(r.stderr, `"code":"key_refused"`) || strings.Contains(r.stderr, leaser) {
		t.Errorf("%s", r.stderr)
	}
}

// writeTLS writes the certificate of a server on 127.0.0.1 and its key.
func writeTLS(t *testing.T) (cert, key string) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	der, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", srv.Certificate().Raw), write("key.pem", "PRIVATE KEY", der)
}

func TestBrokerOverTLS(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	cert, key := writeTLS(t)
	s, _, tcp := newServed(t, b, "--tls-cert", cert, "--tls-key", key)
	leaser := b.addKey(t, "leaser", "--lease")
	env := "CODEXAUTH_BROKER_KEY=" + leaser
	named := b.client(t, tcp+"?ca-file="+cert, env)
	becomes(t, "the key", verdict.Done, func() int { return named.run(t, "token").code })
	wantToken(t, b.client(t, tcp, env, "CODEXAUTH_CA_FILE="+cert).run(t, "token"))
	wantFailure(t, b.client(t, tcp, env).run(t, "token"), verdict.Usage, "not trusted", "unknown authority", "ca-file")
	wantFailure(t, b.client(t, strings.Replace(tcp, "https", "http", 1), env).run(t, "token"), verdict.Usage, "not a codexauth broker")
	wantFailure(t, b.client(t, strings.Replace(tcp, "127.0.0.1", "localhost", 1)+"?ca-file="+cert, env).run(t, "token"), verdict.Usage, "not trusted")
	s.stop(t)
	if strings.Contains(s.stderr.String(), leaser) {
		t.Error("the key is in the log")
	}
}

func TestSetupCodexWithABroker(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	_, socket, tcp := newServed(t, b)
	key := b.addKey(t, "leaser", "--lease")
	file := filepath.Join(t.TempDir(), "the key")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CODEXAUTH_HOME", "")
	becomes(t, "the key", verdict.Done, func() int { return b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+key).run(t, "token").code })
	args := func(r result) string {
		if r.code != verdict.Done || strings.Contains(r.stdout+r.stderr, key) {
			t.Fatalf("exit %d: %s", r.code, r.stderr)
		}
		p := settingsIn(t, r.stdout).Providers["codexauth"]
		if p.Headers["ChatGPT-Account-ID"] == "" {
			t.Error("no account id")
		}
		return strings.Join(p.Auth.Args, " ")
	}
	tail := " --issuer " + b.server.URL() + " token --min-valid 10m --repeat-means-refused"
	if got, want := args(b.client(t, socket).setup(t, "--print")), "--store "+socket+tail; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	got := args(b.client(t, tcp, "CODEXAUTH_BROKER_KEY_FILE="+file).setup(t, "--print"))
	address := tcp + "?key-file=" + strings.ReplaceAll(url.QueryEscape(file), "%2F", "/")
	if want := "--store " + address + tail; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	os.Unsetenv("CODEXAUTH_BROKER_KEY_FILE")
	wantToken(t, b.client(t, address).run(t, "token")) // from anywhere
	r := b.client(t, tcp, "CODEXAUTH_BROKER_KEY="+key).setup(t, "--print")
	if r.code != verdict.Usage || !strings.Contains(r.stderr, "key-file=PATH") || strings.Contains(r.stderr, key) {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
}

// What the broker serves is another issuer's: its token is not for this backend.
func TestBrokerOfAnotherIssuer(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	_, socket, _ := newServed(t, b)
	for _, command := range []string{"token", "status", "exec -- models"} {
		c := b.client(t, socket, "CODEXAUTH_ISSUER=")
		code := verdict.Usage
		if strings.HasPrefix(command, "exec") {
			code = exitOwnFailure
		}
		wantFailure(t, c.run(t, strings.Fields(command)...), code, "another login", fmt.Sprintf("the broker's login is at %s", b.server.URL()))
	}
}
