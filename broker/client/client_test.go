package client_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/broker"
	"codexauth/broker/client"
	"codexauth/internal/rig/freeport"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// rig is a broker with a login, on TCP and on a socket.
type rig struct {
	sandbox            *sandbox.Server
	provider           codexauth.Provider
	keeper             *codexauth.Manager
	keys               *broker.Keys
	tcp, socket        string // addresses; no socket on Windows
	leaseKey, plainKey string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{sandbox: sandbox.New(t, sandbox.Config{}), keys: new(broker.Keys)}
	var err error
	r.provider, err = codexauth.Provider{Issuer: r.sandbox.URL()}.Complete()
	must(t, err)
	r.keeper, err = codexauth.NewManager(codexauth.Config{Store: memory.New(), Provider: r.provider})
	must(t, err)
	t.Cleanup(func() { r.keeper.Close() })
	const redirect, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"
	_, err = r.keeper.SignIn(t.Context(), codexauth.Grant{Code: r.sandbox.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}, codexauth.SignInOptions{})
	must(t, err)
	r.leaseKey, r.plainKey = r.addKey(t, "leaser", true), r.addKey(t, "plain", false)
	r.serve(t, r.keeper)
	return r
}

func (r *rig) serve(t *testing.T, m *codexauth.Manager) {
	t.Helper()
	server, err := broker.New(broker.Config{Manager: m, Backend: r.provider.BackendURL, Keys: r.keys})
	must(t, err)
	l, err := broker.ListenTCP("127.0.0.1:0", nil)
	must(t, err)
	r.tcp = "broker+http://" + l.Addr().String()
	listeners := []net.Listener{l}
	if runtime.GOOS != "windows" {
		dir, err := os.MkdirTemp("", "cx") // a path that is short enough
		must(t, err)
		t.Cleanup(func() { os.RemoveAll(dir) })
		path := filepath.Join(dir, "s")
		l, err := broker.ListenUnix(path, nil)
		must(t, err)
		r.socket = "broker+unix:" + path
		listeners = append(listeners, l)
	}
	var all sync.WaitGroup
	for _, l := range listeners {
		all.Go(func() {
			if err := server.Serve(l); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { server.Close(); all.Wait() })
}

func (r *rig) addKey(t *testing.T, name string, lease bool) string {
	t.Helper()
	text, key, err := broker.NewKey(name)
	must(t, err)
	key.Lease = lease
	must(t, r.keys.Add(key))
	return text
}

func (r *rig) client(t *testing.T, key string) *client.Client {
	t.Helper()
	return newClient(t, r.tcp, client.Options{Key: codexauth.NewSecret(key)})
}

func newClient(t *testing.T, address string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(address, o)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) manager(t *testing.T, l codexauth.Lessor) *codexauth.Manager {
	t.Helper()
	m, err := codexauth.NewManager(codexauth.Config{Lessor: l, Provider: r.provider, Lazy: true})
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustToken(t *testing.T, m *codexauth.Manager) codexauth.Token {
	t.Helper()
	token, err := m.Token(t.Context())
	must(t, err)
	return token
}

func TestLease(t *testing.T) {
	r := newRig(t)
	kept := mustToken(t, r.keeper)
	clients := []*client.Client{r.client(t, r.leaseKey)}
	if r.socket != "" {
		clients = append(clients, newClient(t, r.socket, client.Options{}))
	}
	for _, c := range clients {
		m := r.manager(t, c)
		got := mustToken(t, m)
		if !got.AccessToken.Equal(kept.AccessToken) || got.AccountID != kept.AccountID || !got.Expiry.Equal(kept.Expiry.Truncate(time.Second)) {
			t.Errorf("%v, kept is %v", got, kept)
		}
		l, err := c.Lease(t.Context(), codexauth.LeaseRequest{})
		must(t, err)
		if l.Issuer != r.provider.Issuer || time.Until(l.End) < 59*time.Minute || l.End.Sub(l.Due).Round(10*time.Second) != 5*time.Minute {
			t.Errorf("%v until %v, due %v", l.Issuer, l.End, l.Due)
		}
		s, err := m.Status(t.Context())
		if err != nil || s.State != codexauth.StateValid || s.Account.ID != kept.AccountID || s.Account.Email == "" || s.LastRefresh.IsZero() {
			t.Errorf("%v, %v", s, err)
		}
		resp, err := m.Client().Get(r.provider.BackendURL + "/models")
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("the backend answered %d to the leased token", resp.StatusCode)
		}
	}
	if n := r.sandbox.Counters().RefreshRequests; n != 0 {
		t.Errorf("%d refreshes", n)
	}
}

// Ten programs whose token the backend refused: each gets the same new one, for
// one refresh.
func TestManyLesseesAskForAnotherToken(t *testing.T) {
	r := newRig(t)
	c := r.client(t, r.leaseKey)
	managers := make([]*codexauth.Manager, 10)
	for i := range managers {
		managers[i] = r.manager(t, c)
		mustToken(t, managers[i])
	}
	old := mustToken(t, r.keeper)
	tokens := make([]codexauth.Token, len(managers))
	var all sync.WaitGroup
	for i, m := range managers {
		all.Go(func() {
			m.Invalidate(old)
			var err error
			if tokens[i], err = m.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, token := range tokens {
		if token.AccessToken.Equal(old.AccessToken) || !token.AccessToken.Equal(tokens[0].AccessToken) {
			t.Error("not one new token")
		}
	}
	if n := r.sandbox.Counters(); n.Refreshes != 1 || n.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", n.Refreshes, n.Reuses)
	}
}

// A broker whose login is itself leased.
func TestChain(t *testing.T) {
	r := newRig(t)
	outer := &rig{sandbox: r.sandbox, provider: r.provider, keys: new(broker.Keys)}
	outer.leaseKey = outer.addKey(t, "leaser", true)
	outer.serve(t, r.manager(t, r.client(t, r.leaseKey)))
	c := outer.client(t, outer.leaseKey)
	m := outer.manager(t, c)
	first := mustToken(t, m)
	m.Invalidate(first)
	second := mustToken(t, m)
	if second.AccessToken.Equal(first.AccessToken) || !second.AccessToken.Equal(mustToken(t, r.keeper).AccessToken) {
		t.Error("not the keeper's new token")
	}
	if s, err := m.Status(t.Context()); err != nil || s.State != codexauth.StateValid {
		t.Errorf("%v, %v", s, err)
	}
	resp, err := c.HTTPClient().Get(c.BaseURL() + "/models")
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("%d", resp.StatusCode)
	}
	must(t, r.keeper.SignOut(t.Context(), codexauth.SignOutOptions{}))
	if _, err := m.Refresh(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) {
		t.Errorf("%v", err)
	}
}

// What each refusal of the broker comes to.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	lease := func(key string) error {
		_, err := r.client(t, key).Lease(t.Context(), codexauth.LeaseRequest{})
		return err
	}
	wantErr(t, lease("codexauth_wrong"), client.ErrKeyRefused)
	wantErr(t, lease(r.plainKey), client.ErrLeaseRefused)
	wantErr(t, lease("two words"), client.ErrNoKey)
	r.keys.Revoke("leaser")
	wantErr(t, lease(r.leaseKey), client.ErrKeyRefused)
	r.leaseKey = r.addKey(t, "leaser", true)

	must(t, r.sandbox.SetFaults(sandbox.Fault{Name: "rate-limit", Arg: "7"}))
	sum := "0000000000000000000000000000000000000000000000000000000000000000"
	m := r.manager(t, r.client(t, r.leaseKey))
	_, err := m.Refresh(t.Context())
	wantErr(t, err, codexauth.ErrTransient)
	var retry *codexauth.RetryError
	if !errors.As(err, &retry) || time.Until(retry.At) < 5*time.Second || time.Until(retry.At) > 10*time.Second {
		t.Errorf("%v", err)
	}
	if _, err := r.client(t, r.leaseKey).Lease(t.Context(), codexauth.LeaseRequest{NotSHA256: sum}); err != nil {
		t.Errorf("the present token: %v", err)
	}
	must(t, r.keeper.SignOut(t.Context(), codexauth.SignOutOptions{Local: true}))
	wantErr(t, lease(r.leaseKey), codexauth.ErrSignedOut)
	if err := lease(r.leaseKey); !strings.Contains(err.Error(), "codexauth login") {
		t.Errorf("%v", err)
	}
}

func wantErr(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
}

const secretKey = "codexauth_SESAMESESAMESESAMESESAME22"

// fakeBroker answers as f does, and its client's errors hold no key.
func fakeBroker(t *testing.T, f http.HandlerFunc) (lease func(context.Context) error) {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	c := newClient(t, "broker+"+srv.URL, client.Options{Key: codexauth.NewSecret(secretKey)})
	return func(ctx context.Context) error {
		_, err := c.Lease(ctx, codexauth.LeaseRequest{})
		if err != nil && strings.Contains(err.Error(), "SESAME") {
			t.Errorf("the key is in %v", err)
		}
		return err
	}
}

// Answers that no broker gives, or that did not get through.
func TestBadAnswers(t *testing.T) {
	const good = `{"access_token":"a.b.c","account_id":"acc","expires_in":3600}`
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"good": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, good) }, nil},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, client.ErrNotBroker},
		"not JSON":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, client.ErrNotBroker},
		"no token":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }, client.ErrNotBroker},
		"404":           {http.NotFound, client.ErrNotBroker},
		"401 of others": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }, client.ErrNotBroker},
		"gateway":       {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, codexauth.ErrTransient},
		"429":           {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "slow down", http.StatusTooManyRequests) }, codexauth.ErrRateLimited},
		"too long":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, good+strings.Repeat(" ", 1<<20)) }, client.ErrNotBroker},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			io.WriteString(w, good)
		}, codexauth.ErrTransient},
		"dropped":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, client.ErrUnreachable},
		"unknown":   {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "something_new") }, nil},
		"failed":    {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "broker_failed") }, nil},
		"refused":   {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "refused") }, codexauth.ErrRefused},
		"stopping":  {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "stopping") }, codexauth.ErrTransient},
		"try later": {func(w http.ResponseWriter, _ *http.Request) { errorAnswer(w, 503, "try_later") }, codexauth.ErrTransient},
	} {
		err := fakeBroker(t, tt.answer)(t.Context())
		if (err == nil) != (name == "good") {
			t.Errorf("%s: %v", name, err)
		}
		if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v is not %v", name, err, tt.want)
		}
		var e *client.Error
		if name == "unknown" && (!errors.As(err, &e) || e.Code != "something_new" || strings.ContainsAny(e.Message, "\x1b\n") || errors.Is(err, codexauth.ErrTransient)) {
			t.Errorf("%s: %q", name, err)
		}
	}
	if reached {
		t.Error("a redirect was followed")
	}
}

func errorAnswer(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%q,"message":"codexauth: some\u001b[31m\nwords"}}`, code)
}

// A broker that never answers, or answers byte by byte, is given up.
func TestHungBroker(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // or net/http does not notice that the client has gone
			<-r.Context().Done()
		},
		"slow": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				if io.WriteString(w, " "); http.NewResponseController(w).Flush() != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := fakeBroker(t, answer)(ctx)
		if !errors.Is(err, codexauth.ErrTransient) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
}

func TestNobodyThere(t *testing.T) {
	host := fmt.Sprint("127.0.0.1:", freeport.One(t))
	addresses := []string{"broker+http://" + host, "broker+https://" + host}
	if runtime.GOOS != "windows" {
		addresses = append(addresses, "broker+unix:"+filepath.Join(t.TempDir(), "nowhere"))
	}
	for _, address := range addresses {
		_, err := newClient(t, address, client.Options{Key: codexauth.NewSecret(secretKey)}).Lease(t.Context(), codexauth.LeaseRequest{})
		wantErr(t, err, client.ErrUnreachable, codexauth.ErrTransient)
		if err != nil && strings.Count(err.Error(), host) > 1 {
			t.Errorf("it says the address twice: %v", err)
		}
	}
}

// A stranger is hung up on; the message says why that may be.
func TestSocketThatHangsUp(t *testing.T) {
	dir, err := os.MkdirTemp("", "cx")
	must(t, err)
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	_, err = newClient(t, "broker+unix:"+filepath.Join(dir, "s"), client.Options{}).Lease(t.Context(), codexauth.LeaseRequest{})
	wantErr(t, err, client.ErrUnreachable)
	if !strings.Contains(fmt.Sprint(err), "users whom it does not serve") {
		t.Error(err)
	}
}

func TestTrust(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"access_token":"a.b.c","account_id":"acc","expires_in":3600}`)
	}))
	defer srv.Close()
	key := codexauth.NewSecret(secretKey)
	_, err := newClient(t, "broker+"+srv.URL, client.Options{Key: key}).Lease(t.Context(), codexauth.LeaseRequest{})
	wantErr(t, err, client.ErrUntrusted)
	if errors.Is(err, codexauth.ErrTransient) {
		t.Error("a wrong certificate passes by itself?")
	}
	trusting := &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	_, err = newClient(t, "broker+"+srv.URL, client.Options{Key: key, TLS: trusting}).Lease(t.Context(), codexauth.LeaseRequest{})
	must(t, err)
	other := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	_, err = newClient(t, "broker+"+other, client.Options{Key: key, TLS: trusting}).Lease(t.Context(), codexauth.LeaseRequest{})
	wantErr(t, err, client.ErrUntrusted)
}

// The next key is put into the file, and the program need not start anew.
func TestKeyFileIsReadAgain(t *testing.T) {
	r := newRig(t)
	file := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(file, []byte(r.leaseKey+"\n"), 0o600))
	t.Setenv(client.KeyFileVariable, file)
	c := newClient(t, r.tcp, client.Options{})
	lease := func() error { _, err := c.Lease(t.Context(), codexauth.LeaseRequest{}); return err }
	must(t, lease())
	next := r.addKey(t, "next", true)
	r.keys.Revoke("leaser")
	wantErr(t, lease(), client.ErrKeyRefused)
	must(t, os.WriteFile(file, []byte("\ufeff"+next+"\r\n"), 0o600)) // as an editor on Windows leaves it
	must(t, lease())
	must(t, os.WriteFile(file, nil, 0o600))
	wantErr(t, lease(), client.ErrNoKey)
	must(t, os.Remove(file))
	wantErr(t, lease(), client.ErrNoKey)
}

// With a key for the proxy only, a program sends its requests to the broker. The
// key goes nowhere else, and no redirect is followed.
func TestHTTPClient(t *testing.T) {
	r := newRig(t)
	clients := []*client.Client{r.client(t, r.plainKey)}
	if r.socket != "" {
		clients = append(clients, newClient(t, r.socket, client.Options{}))
	}
	for _, c := range clients {
		hc := c.HTTPClient()
		resp, err := hc.Post(c.BaseURL()+"/responses", "application/json", strings.NewReader(
			`{"model":"gpt-sandbox","store":false,"stream":true,"input":[{"role":"user","content":"Say it"}]}`))
		must(t, err)
		first, err := bufio.NewReader(resp.Body).ReadString('\n')
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(first, "event:") {
			t.Errorf("%d %q %v", resp.StatusCode, first, err)
		}
		var asked http.Header
		other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.Header }))
		defer other.Close()
		for _, url := range []string{other.URL, "https://" + strings.TrimPrefix(other.URL, "http://")} {
			if _, err := hc.Get(url); !errors.Is(err, client.ErrNotBroker) || strings.Contains(fmt.Sprint(err), r.plainKey) {
				t.Errorf("%v", err)
			}
		}
		if asked != nil {
			t.Error("a request went elsewhere")
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/v1/other", http.StatusFound) }))
	defer srv.Close()
	c := newClient(t, "broker+"+srv.URL, client.Options{Key: codexauth.NewSecret(secretKey)})
	if _, err := c.HTTPClient().Get(c.BaseURL() + "/models"); !errors.Is(err, client.ErrNotBroker) {
		t.Errorf("%v", err)
	}
}

// The environment's proxy sees no key.
func TestNoProxyInTheClear(t *testing.T) {
	seen := make(chan struct{}, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen <- struct{}{} }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	c := newClient(t, "broker+http://192.0.2.1:1?dangerously-in-clear=yes", client.Options{Key: codexauth.NewSecret(secretKey)})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Lease(ctx, codexauth.LeaseRequest{}); err == nil || len(seen) != 0 {
		t.Errorf("%v; the proxy saw %d requests", err, len(seen))
	}
}

func TestAddresses(t *testing.T) {
	wd, err := os.Getwd()
	must(t, err)
	for address, want := range map[string]string{
		"broker+unix:/run/x.sock":                                   "broker+unix:/run/x.sock",
		"broker+unix:///run/x.sock":                                 "broker+unix:/run/x.sock",
		"broker+unix:x.sock":                                        "broker+unix:" + filepath.Join(wd, "x.sock"),
		"broker+http://localhost:1?key-file=/a%20b":                 "broker+http://localhost:1?key-file=/a+b",
		"broker+http://[::1]:1/":                                    "broker+http://[::1]:1",
		"broker+https://Host":                                       "broker+https://host",
		"broker+https://host:8461?key-file=k":                       "broker+https://host:8461?key-file=" + filepath.Join(wd, "k"),
		"broker+http://192.0.2.1:1?dangerously-in-clear=yes":        "broker+http://192.0.2.1:1?dangerously-in-clear=yes",
		"broker+https://host?key=x":                                 "",
		"broker+https://host?dangerously-in-clear=yes":              "",
		"broker+http://192.0.2.1:1?dangerously-in-clear=no":         "",
		"broker+http://192.0.2.1:1":                                 "",
		"broker+http://localhost.evil:1":                            "",
		"broker+https://sesame@host":                                "",
		"broker+https://host/v1":                                    "",
		"broker+https://host#sesame":                                "",
		"broker+https:host":                                         "",
		"broker+https://":                                           "",
		"broker+unix:":                                              "",
		"https://host":                                              "",
		"broker+https://host?key-file=%zzsesame":                    "",
		"broker+https://ho\nst?sesame":                              "",
		"broker+https://host?ca-file=/nowhere/at/all&key-file=/key": "",
	} {
		if runtime.GOOS == "windows" && strings.Contains(want, "/") && strings.Contains(address, "file=") || strings.Contains(address, "unix") && runtime.GOOS == "windows" {
			continue
		}
		c, err := client.New(address, client.Options{})
		switch {
		case want == "" && (!errors.Is(err, client.ErrAddress) || strings.Contains(err.Error(), "sesame")):
			t.Errorf("%s: %v", address, err)
		case want != "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && c.String() != want:
			t.Errorf("%s: %s, want %s", address, c, want)
		}
	}
}
