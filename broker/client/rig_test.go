package client_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"codexauth"
	"codexauth/broker"
	"codexauth/broker/client"
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

func wantErr(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
}
