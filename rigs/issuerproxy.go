package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"codexauth"
	"codexauth/internal/rig/freeport"
)

// A front is what stands between a client and its authorization server: an
// issuer of its own, whose token requests go on to the sandbox. It can be closed
// and opened again, speak TLS, and spoil a request on its way or an answer.
type front struct {
	trial *trial
	host  string // under which clients know it
	addr  string
	tls   *tls.Config
	ca    string // file with the certificate, if it speaks TLS

	backend http.Handler // answers under /backend-api/ in the sandbox's place, if there is one

	server   *http.Server
	portal   atomic.Bool            // a captive portal: HTML for everything
	spoil    atomic.Int32           // resetBefore or resetAfter: what happens to a token request
	tokenURL atomic.Pointer[string] // named in the metadata instead of its own
}

const (
	resetBefore = 1 // the server never sees the request
	resetAfter  = 2 // the server has answered
)

// behind puts a front before the trial's sandbox and signs in through it. A
// private host makes it speak TLS, with a certificate of no known authority.
func (t *trial) behind(privateHost string) (*front, error) {
	port, err := freeport.Next()
	if err != nil {
		return nil, err
	}
	f := &front{trial: t, host: "127.0.0.1", addr: fmt.Sprint("127.0.0.1:", port)}
	if privateHost != "" {
		f.host = privateHost
		if err := f.certify(); err != nil {
			return nil, err
		}
	}
	if err := f.open(); err != nil {
		return nil, err
	}
	scheme := "http"
	if f.tls != nil {
		scheme = "https"
	}
	t.issuer = fmt.Sprintf("%s://%s:%d", scheme, f.host, port)
	t.srv.SetAccessTTL(-time.Hour)
	defer t.srv.ResetCounters()
	defer t.srv.SetAccessTTL(time.Hour)
	grant := codexauth.Grant{Code: t.srv.Code(redirectURI, verifier), RedirectURI: redirectURI, Verifier: verifier}
	return f, t.redeem(grant, f.client())
}

func (f *front) open() error {
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	if f.tls != nil {
		listener = tls.NewListener(listener, f.tls)
	}
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go f.server.Serve(listener)
	return nil
}

func (f *front) close() { f.server.Close() }

// client reaches the front by its private name.
func (f *front) client() *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if f.tls != nil {
		pool := x509.NewCertPool()
		pool.AddCert(f.tls.Certificates[0].Leaf)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: f.host}
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.addr)
		}
	}
	return &http.Client{Transport: transport}
}

// certify makes a certificate that is its own authority.
func (f *front) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: f.host}, DNSNames: []string{f.host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	f.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}
	f.ca = filepath.Join(f.trial.dir, "ca.pem")
	return os.WriteFile(f.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case f.portal.Load():
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body>Welcome to the hotel's network. Please accept our terms.</body></html>")
	case r.URL.Path == "/.well-known/oauth-authorization-server":
		f.metadata(w)
	case f.backend != nil && strings.HasPrefix(r.URL.Path, "/backend-api/"):
		f.backend.ServeHTTP(w, r)
	case f.spoil.Load() == resetBefore:
		reset(w)
	default:
		target, err := url.Parse(f.trial.srv.URL())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
		if f.spoil.Load() == resetAfter {
			proxy.ModifyResponse = func(*http.Response) error { return io.ErrUnexpectedEOF }
			proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { reset(w) }
		}
		proxy.ServeHTTP(w, r)
	}
}

func (f *front) metadata(w http.ResponseWriter) {
	issuer := f.trial.issuer
	token := issuer + "/oauth/token"
	if other := f.tokenURL.Load(); other != nil {
		token = *other
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{
		"issuer": issuer, "authorization_endpoint": issuer + "/oauth/authorize",
		"token_endpoint": token, "revocation_endpoint": issuer + "/oauth/revoke",
	})
}

// reset answers with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
