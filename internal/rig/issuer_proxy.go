package rig

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

	"codexauth/internal/rig/freeport"
)

// An IssuerProxy is what stands between a client and its authorization server: an
// issuer of its own, whose token requests go on to the sandbox. It can be closed
// and opened again, speak TLS, and spoil a request on its way or an answer.
type IssuerProxy struct {
	Addr string
	CA   string // file with the certificate, if it speaks TLS

	Backend  http.Handler               // answers under /backend-api/ in the sandbox's place, if there is one
	Portal   atomic.Bool                // a captive portal: HTML for everything
	Spoil    atomic.Int32               // ResetBefore or ResetAfter: what happens to a token request
	Change   func(*http.Response) error // is shown the answers of the sandbox, if it is there
	TokenURL atomic.Pointer[string]     // named in the metadata instead of its own

	trial  *Trial
	host   string // under which clients know it
	tls    *tls.Config
	server *http.Server
}

// Values of Spoil, apart from 0: a TCP reset in place of an answer.
const (
	ResetBefore = 1 // the server never sees the request
	ResetAfter  = 2 // the server has answered
)

// Behind puts a proxy before the trial's sandbox and signs in through it. A
// private host makes it speak TLS, with a certificate of no known authority.
func (t *Trial) Behind(privateHost string) (*IssuerProxy, error) {
	port, err := freeport.Next()
	if err != nil {
		return nil, err
	}
	p := &IssuerProxy{trial: t, host: "127.0.0.1", Addr: fmt.Sprint("127.0.0.1:", port)}
	if privateHost != "" {
		p.host = privateHost
		if err := p.certify(); err != nil {
			return nil, err
		}
	}
	if err := p.Open(); err != nil {
		return nil, err
	}
	scheme := "http"
	if p.tls != nil {
		scheme = "https"
	}
	t.Issuer = fmt.Sprintf("%s://%s:%d", scheme, p.host, port)
	t.Server.SetAccessTTL(-time.Hour)
	defer t.Server.ResetCounters()
	defer t.Server.SetAccessTTL(time.Hour)
	return p, t.Redeem(t.sandboxGrant(), p.client())
}

// Open lets clients connect, for the first time or again.
func (p *IssuerProxy) Open() error {
	listener, err := net.Listen("tcp", p.Addr)
	if err != nil {
		return err
	}
	if p.tls != nil {
		listener = tls.NewListener(listener, p.tls)
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go p.server.Serve(listener)
	return nil
}

// Close ends all connections and refuses new ones, until Open.
func (p *IssuerProxy) Close() { p.server.Close() }

// client reaches the proxy by its private name.
func (p *IssuerProxy) client() *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if p.tls != nil {
		pool := x509.NewCertPool()
		pool.AddCert(p.tls.Certificates[0].Leaf)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: p.host}
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, p.Addr)
		}
	}
	return &http.Client{Transport: transport}
}

// certify makes a certificate that is its own authority.
func (p *IssuerProxy) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: p.host}, DNSNames: []string{p.host},
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
	p.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}
	p.CA = filepath.Join(p.trial.Dir, "ca.pem")
	return os.WriteFile(p.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

func (p *IssuerProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case p.Portal.Load():
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><body>Welcome to the hotel's network. Please accept our terms.</body></html>")
	case r.URL.Path == "/.well-known/oauth-authorization-server":
		p.metadata(w)
	case p.Backend != nil && strings.HasPrefix(r.URL.Path, "/backend-api/"):
		p.Backend.ServeHTTP(w, r)
	case p.Spoil.Load() == ResetBefore:
		reset(w)
	default:
		target, err := url.Parse(p.trial.Server.URL())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
		if p.Spoil.Load() == ResetAfter {
			proxy.ModifyResponse = func(*http.Response) error { return io.ErrUnexpectedEOF }
			proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { reset(w) }
		}
		if p.Change != nil {
			proxy.ModifyResponse = p.Change
		}
		proxy.ServeHTTP(w, r)
	}
}

func (p *IssuerProxy) metadata(w http.ResponseWriter) {
	issuer := p.trial.Issuer
	token := issuer + "/oauth/token"
	if other := p.TokenURL.Load(); other != nil {
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
