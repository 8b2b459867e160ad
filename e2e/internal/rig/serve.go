package rig

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"codexauth/internal/rig/program"
)

// A Serve is a running `codexauth serve`.
type Serve struct {
	URL    string // without a path; "" without --listen
	Socket string // "" without a socket

	cli    *CLI
	server *program.Server
}

// StartServe runs `codexauth serve` with these flags; it ends with the test.
func (c *CLI) StartServe(t testing.TB, flags ...string) *Serve {
	t.Helper()
	var ready struct{ Socket, URL string }
	server := c.serve(t, &ready, append([]string{"serve", "--json"}, flags...)...)
	return &Serve{URL: ready.URL, Socket: ready.Socket, cli: c, server: server}
}

// serve starts a command that prints a line of JSON once it listens; it ends with
// the test.
func (c *CLI) serve(t testing.TB, ready any, args ...string) *program.Server {
	t.Helper()
	server, err := program.Serve(c.command(context.Background(), args...), ready)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Stop()
		if t.Failed() {
			t.Logf("codexauth %s said:\n%s", args[0], &server.Log)
		}
	})
	return server
}

// Log is what the server has said so far.
func (s *Serve) Log() string { return s.server.Log.String() }

// PID is that of the server.
func (s *Serve) PID() int { return s.server.Process.Pid }

// AddKey makes a key and returns it.
func (c *CLI) AddKey(t testing.TB, name string, flags ...string) string {
	t.Helper()
	r := c.Run(t, append([]string{"serve", "key", "add", name, "--json"}, flags...)...)
	var made struct{ Key string }
	if err := json.Unmarshal([]byte(r.Stdout), &made); err != nil || r.Code != 0 || made.Key == "" {
		t.Fatalf("serve key add: exit %d, %v; it said %q", r.Code, err, r.Stderr)
	}
	return made.Key
}

// A Certificate is one for 127.0.0.1 and localhost, by an authority of its own.
type Certificate struct {
	CA, Cert, Key string // PEM files
}

// NewCertificate makes a certificate and the authority that it is from.
func NewCertificate(t testing.TB) Certificate {
	t.Helper()
	dir := t.TempDir()
	c := Certificate{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "codexauth e2e"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, leafKey := newECDSA(t), newECDSA(t)
	writePEM(t, c.CA, "CERTIFICATE", sign(t, ca, ca, caKey, caKey))
	writePEM(t, c.Cert, "CERTIFICATE", sign(t, leaf, ca, leafKey, caKey))
	der, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, c.Key, "PRIVATE KEY", der)
	return c
}

func newECDSA(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, cert, by *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, by, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Flags are those of `codexauth serve` for the certificate.
func (c Certificate) Flags() []string { return []string{"--tls-cert", c.Cert, "--tls-key", c.Key} }

// Lines are those of the log that are about a request, in order.
func (s *Serve) Lines() []string {
	var lines []string
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, "msg=request ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}
