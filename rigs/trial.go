package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"codexauth"
	"codexauth/sandbox"
)

// A trial is one login in a store of its own, at a sandbox of its own.
type trial struct {
	b       *bench
	srv     *sandbox.Server
	foreign judge  // in place of the sandbox
	issuer  string // the sandbox, or what stands before it
	dir     string // everything of the trial's is below it
	home    string // the store
	env     []string
	// If an engine keeps the login:
	address string
	open    func() (codexauth.Store, error)
	atEnd   []func()
	within  []string // a command that runs programs on another machine
}

// newTrial starts a sandbox and signs in.
func (b *bench) newTrial(cfg sandbox.Config) (*trial, error) {
	t, err := b.newPlace(cfg)
	if err != nil {
		return nil, err
	}
	if err := t.signIn(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// newExpired is newTrial with a login whose access token has expired, and the
// server's counters at zero.
func (b *bench) newExpired(cfg sandbox.Config) (*trial, error) {
	cfg.AccessTTL = -time.Hour
	t, err := b.newTrial(cfg)
	if err != nil {
		return nil, err
	}
	t.srv.SetAccessTTL(time.Hour)
	t.srv.ResetCounters()
	return t, nil
}

// newPlace is a trial in which nobody is signed in.
func (b *bench) newPlace(cfg sandbox.Config) (*trial, error) {
	t, err := b.newDir()
	if err != nil {
		return nil, err
	}
	cfg.AutoApprove = true
	if t.srv, err = sandbox.Start(cfg); err != nil {
		return nil, err
	}
	t.issuer = t.srv.URL()
	return t, nil
}

func (b *bench) newDir() (*trial, error) {
	dir, err := os.MkdirTemp(b.dir, "trial-")
	if err != nil {
		return nil, err
	}
	t := &trial{b: b, dir: dir, home: filepath.Join(dir, "home")}
	t.address, t.open = "file:"+t.home, t.openFile
	return t, os.Mkdir(filepath.Join(dir, "tmp"), 0o700)
}

func (t *trial) close() {
	for _, end := range t.atEnd {
		end()
	}
	if t.srv != nil {
		t.srv.Close()
	}
	os.RemoveAll(t.dir)
}

const redirectURI, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"

// signIn signs the sandbox's default user in, in place of whoever is there.
func (t *trial) signIn() error {
	if t.foreign != nil {
		grant, err := t.foreign.grant()
		if err != nil {
			return err
		}
		return t.redeem(grant, nil)
	}
	return t.redeem(codexauth.Grant{Code: t.srv.Code(redirectURI, verifier), RedirectURI: redirectURI, Verifier: verifier}, nil)
}

// redeem stores the login of a grant; hc may be nil.
func (t *trial) redeem(g codexauth.Grant, hc *http.Client) error {
	m, end, err := t.manager(hc)
	if err != nil {
		return err
	}
	defer end()
	_, err = m.SignIn(context.Background(), g, codexauth.SignInOptions{Replace: true})
	return err
}

// manager makes a Manager of the login, which end closes.
func (t *trial) manager(hc *http.Client) (m *codexauth.Manager, end func(), err error) {
	store, err := t.open()
	if err != nil {
		return nil, nil, err
	}
	m, err = codexauth.NewManager(codexauth.Config{
		Store: store, Provider: codexauth.Provider{Issuer: t.issuer}, HTTPClient: hc, Lazy: true,
	})
	if err != nil {
		return nil, nil, err
	}
	return m, func() { m.Close(); closeStore(store) }, nil
}

// fault sets the sandbox's faults.
func (t *trial) fault(texts ...string) error {
	var faults []sandbox.Fault
	for _, text := range texts {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			return err
		}
		faults = append(faults, f)
	}
	return t.srv.SetFaults(faults...)
}
