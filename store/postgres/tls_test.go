package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"codexauth"
)

// certify makes a certificate for 127.0.0.1 that is its own authority.
func certify(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// TestTLS: a server is believed only if its certificate is, and another is no
// failure that passes.
func TestTLS(t *testing.T) {
	u := newURL(t)
	certificate, key := certify(t)
	for name, content := range map[string][]byte{"server.crt": certificate, "server.key": key} {
		path := filepath.Join(testServer.Data(), name)
		if err := errors.Join(os.WriteFile(path, content, 0o600), testServer.GiveAway(path)); err != nil {
			t.Fatal(err)
		}
	}
	admin(t, "ALTER SYSTEM SET ssl = on")
	admin(t, "SELECT pg_reload_conf()")
	t.Cleanup(func() {
		admin(t, "ALTER SYSTEM RESET ssl")
		admin(t, "SELECT pg_reload_conf()")
	})
	until(t, "the server speaks TLS", func() bool { return admin(t, "SELECT current_setting('ssl') = 'on' AND $1", true)[0] == true })

	other, _ := certify(t)
	dir := t.TempDir()
	right, wrong := filepath.Join(dir, "right.pem"), filepath.Join(dir, "wrong.pem")
	if err := errors.Join(os.WriteFile(right, certificate, 0o600), os.WriteFile(wrong, other, 0o600)); err != nil {
		t.Fatal(err)
	}
	tcp := with(testServer.TCP("fleet", fleetPassword), "search_path", u.Query().Get("search_path"))
	s := open(t, with(with(tcp, "sslmode", "verify-full"), "sslrootcert", right))
	put(t, s, "work", "x")
	c := mustClaim(t, s, "work")
	encrypted := admin(t, "SELECT ssl FROM pg_stat_ssl WHERE pid = $1", int32(c.conn.PID()))
	if encrypted[0] != true {
		t.Error("the connection is not encrypted")
	}
	_, err := open(t, with(with(tcp, "sslmode", "verify-full"), "sslrootcert", wrong)).Load(patient(t), "work")
	wantError(t, err, nil, "no connection", "certificate")
	if errors.Is(err, codexauth.ErrTransient) {
		t.Errorf("%v is taken for one that passes", err)
	}
	t.Setenv("PGSSLMODE", "verify-full")
	t.Setenv("PGSSLROOTCERT", right)
	query := tcp.Query()
	query.Del("sslmode")
	tcp.RawQuery = query.Encode()
	wantLoad(t, open(t, tcp), "work", "x")
}
