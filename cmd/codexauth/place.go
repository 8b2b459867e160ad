package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/seal"
	"codexauth/store/keyring"
)

// A namedStore is a store that can say where it is.
type namedStore interface {
	codexauth.Store
	fmt.Stringer
}

// place says where the login is kept and whose it is: what the global flags and
// their variables come to.
type place struct {
	profile  string
	store    namedStore     // nil if there is a broker
	broker   *client.Client // has the login, in place of a store; nil if there is none
	address  string         // the store's, to open it again; it may hold a password
	lockDir  string         // for lock files of our own, on this machine
	provider codexauth.Provider
	sealer   *seal.Sealer // nil: the store is plain
	ownKey   bool         // the sealer is the store's own, as a keyring's is
	caFile   string       // absolute; "" if none
	http     *http.Client // nil: the usual one

	asking keyring.Options // how a keyring that is opened asks for its password
	// health, where a kind of store has one, tells more about the store than every
	// store can: nil if all is well. It changes nothing and ends when ctx does.
	health func(ctx context.Context) error
}

// sealing is the place's Sealer, as a nil interface where there is none.
func (p *place) sealing() codexauth.Sealer {
	if p.sealer == nil {
		return nil
	}
	return p.sealer
}

// canSeal makes sure of the key, which may ask a person, or make one.
func (p *place) canSeal() error {
	if p.sealer == nil {
		return nil
	}
	_, err := p.sealer.Seal(nil)
	return err
}

// config is what a Manager of the login is made of.
func (p *place) config() codexauth.Config {
	c := codexauth.Config{Key: p.profile, Provider: p.provider, HTTPClient: p.http}
	if p.broker != nil {
		c.Lessor = p.broker
		return c
	}
	c.Store, c.Sealer = p.store, p.sealing()
	return c
}

// describe says in a word how what is stored under key is doing, whoever's login it
// is: the state of a status, or damaged, newer_version, sealed or unreadable. Only
// the former comes with a status.
func (p *place) describe(ctx context.Context, key string) (state string, s codexauth.Status) {
	s, err := codexauth.Describe(ctx, codexauth.Place{Store: p.store, Sealer: p.sealing()}, key)
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

// lockFile names a lock file of our own for the profile: any text is a profile,
// and not any is a file name. "" names none, where there is no place for one.
func (p *place) lockFile(what string) string {
	if p.broker != nil && p.lockDir == "" {
		p.lockDir = localDir(p.address) // only here: most commands need nothing of this machine
	}
	if p.lockDir == "" {
		return ""
	}
	name := sha256.Sum256([]byte(p.profile))
	return filepath.Join(p.lockDir, what+"-"+hex.EncodeToString(name[:8]))
}

// trust reads the certificates to trust beside the system's.
func (p *place) trust(caFile string) (err error) {
	if caFile == "" {
		return nil
	}
	if p.caFile, err = filepath.Abs(caFile); err != nil {
		return err
	}
	p.http, err = httpClient(p.caFile)
	return err
}

// httpClient returns the client for the authorization server: nil, which is the
// usual one, unless a private certificate authority is named. Its certificates
// are trusted beside the system's.
func httpClient(caFile string) (*http.Client, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, &usageError{fmt.Sprintf("the certificates of --ca-file can't be read: %v", err), "name a PEM file"}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &usageError{fmt.Sprintf("there is no certificate in %s", oneLine(caFile)), "--ca-file names a PEM file with BEGIN CERTIFICATE lines"}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	t.TLSClientConfig = &tls.Config{RootCAs: pool}
	return &http.Client{Transport: t}, nil
}

// backendTransport is nil, which is the broker's own, unless a certificate
// authority is named.
func (p *place) backendTransport() http.RoundTripper {
	if p.http == nil {
		return nil
	}
	t := p.http.Transport.(*http.Transport).Clone() // see httpClient
	t.DisableKeepAlives = false
	t.DisableCompression = true // a decompressor holds events back
	return t
}

// close ends the connections of a store that has some, if it was opened at all.
func (p *place) close() {
	if c, ok := p.store.(io.Closer); ok {
		_ = c.Close() // nothing is at stake: a commit was durable when it returned
	}
}
