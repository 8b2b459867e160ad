// Package place is where a login is kept and whose it is: what --store, --profile,
// --issuer and their like come to. It opens the store that an address names, of the
// kinds that the program links.
package place

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/internal/httplog"
	"codexauth/internal/oauth"
	"codexauth/internal/reserved"
)

// A NamedStore is a store that can say where it is.
type NamedStore interface {
	codexauth.Store
	fmt.Stringer
}

// Place says where the login is kept and whose it is: what the global flags and
// their variables come to.
type Place struct {
	Profile  string
	Store    NamedStore     // nil if there is a broker
	Broker   *client.Client // has the login, in place of a store; nil if there is none
	Address  string         // the store's, to open it again; it may hold a password
	Called   string         // what gave the address, for errors; "" is --store
	LockDir  string         // for lock files of our own, on this machine
	Provider codexauth.Provider
	Sealer   Sealer       // nil: the store is plain
	OwnKey   bool         // the sealer is the store's own, as a keyring's is
	CAFile   string       // absolute; "" if none
	HTTP     *http.Client // nil: the usual one; it is asked by way of Client
	Log      *slog.Logger // hears of each request and claim; nil is silent
	Distrust error        // why not every certificate of CAFile is trusted; nil if every one is

	Asking Asking // how a keyring that is opened asks for its password
	// Health, where a kind of store has one, tells more about the store than every
	// store can: nil if all is well. It changes nothing and ends when ctx does.
	Health func(ctx context.Context) error
}

// Sealing is the place's Sealer, as a nil interface where there is none.
func (p *Place) Sealing() codexauth.Sealer {
	if p.Sealer == nil {
		return nil
	}
	return p.Sealer
}

// CanSeal makes sure of the key, which may ask a person, or make one.
func (p *Place) CanSeal() error {
	if p.Sealer == nil {
		return nil
	}
	_, err := p.Sealer.Seal(nil)
	return err
}

// Config is what a Manager of the login is made of.
func (p *Place) Config() codexauth.Config {
	c := codexauth.Config{Key: p.Profile, Provider: p.Provider, HTTPClient: p.Client()}
	if p.Broker != nil {
		c.Lessor = p.Broker
		return c
	}
	c.Store, c.Sealer = p.Store, p.Sealing()
	return c
}

// Login is the login under key, to be described, moved or resealed.
func (p *Place) Login(key string) codexauth.Place {
	return codexauth.Place{Store: p.heard(), Sealer: p.Sealing(), Key: key}
}

// Profiles are the names of the stored logins.
func (p *Place) Profiles(ctx context.Context) ([]string, error) {
	keys, err := p.Store.List(ctx)
	return reserved.Without(keys), err
}

// Describe says in a word how what is stored under key is doing, whoever's login it
// is: the state of a status, or damaged, newer_version, sealed or unreadable. Only
// the former comes with a status.
func (p *Place) Describe(ctx context.Context, key string) (state string, s codexauth.Status) {
	s, err := p.Login(key).Describe(ctx)
	switch {
	case err == nil:
		return string(s.State), s
	case errors.Is(err, codexauth.ErrDamaged):
		state = "damaged"
	case errors.Is(err, codexauth.ErrNewerVersion):
		state = "newer_version"
	case errors.Is(err, codexauth.ErrSealed), errors.Is(err, codexauth.ErrWrongKey):
		state = "sealed"
	default:
		state = "unreadable"
	}
	return state, codexauth.Status{}
}

// LockFile names a lock file of our own for the profile: any text is a profile,
// and not any is a file name. "" names none, where there is no place for one.
func (p *Place) LockFile(what string) string {
	if p.Broker != nil && p.LockDir == "" {
		p.LockDir = LocalDir(p.Address) // only here: most commands need nothing of this machine
	}
	if p.LockDir == "" {
		return ""
	}
	name := sha256.Sum256([]byte(p.Profile))
	return filepath.Join(p.LockDir, what+"-"+hex.EncodeToString(name[:8]))
}

// BackendTransport is nil, which is the broker's own, unless a certificate
// authority is named.
func (p *Place) BackendTransport() http.RoundTripper {
	if p.HTTP == nil {
		return nil
	}
	t := p.HTTP.Transport.(*http.Transport).Clone() // see httpClient
	t.DisableKeepAlives = false
	t.DisableCompression = true // a decompressor holds events back
	return t
}

// Traced is a transport whose requests the place's log hears of.
func (p *Place) Traced(base http.RoundTripper) http.RoundTripper {
	return httplog.Transport(base, p.Log)
}

// Client talks to the authorization server; nil is the usual client.
func (p *Place) Client() *http.Client {
	if p.Log == nil {
		return p.HTTP
	}
	hc := *oauth.DefaultHTTP(p.HTTP)
	hc.Transport = p.Traced(hc.Transport)
	return &hc
}

// Close ends the connections of a store that has some, if it was opened at all.
func (p *Place) Close() {
	if c, ok := p.Store.(io.Closer); ok {
		_ = c.Close() // nothing is at stake: a commit was durable when it returned
	}
}

// Readers says who can read what stands in the store unsealed.
func (p *Place) Readers() string {
	switch kind, _, _ := strings.Cut(p.Address, ":"); kind {
	case "postgres", "postgresql":
		return "for whoever may read its table or the database's backups"
	case "etcd", "etcds":
		return "for whoever may read its keys or the cluster's backups"
	}
	return "for you alone to read"
}
