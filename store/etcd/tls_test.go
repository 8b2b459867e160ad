package etcd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/sysfail"
)

// authority makes certificates, and writes them into a directory of the test's.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// resetting is the address of a server that resets each connection.
func resetting(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.issue("ca", "an authority")
	return a
}

// issue writes NAME.pem and NAME-key.pem. The first one is the authority's own.
func (a *authority) issue(name, commonName string) (cert, key string) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName, Organization: []string{"test"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		template.ExtKeyUsage, template.IPAddresses = nil, nil
		parent, signer = template, private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, private.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		a.key = private
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+"-key.pem")
	err = errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	need(t)
	a, other := newAuthority(t), newAuthority(t)
	ca := filepath.Join(a.dir, "ca.pem")
	serverCert, serverKey := a.issue("server", "")
	cert, key := a.issue("client", "")
	namedCert, namedKey := a.issue("named", "fleet")
	m := newServer(t, "--bcrypt-cost", "4", "--client-cert-auth", "--trusted-ca-file", ca, "--cert-file", serverCert, "--key-file", serverKey)
	base := "etcds://" + m.Endpoint() + "?cacert=" + ca
	s := open(t, base+"&cert="+cert+"&key="+key)
	until(t, "the server answers", func() bool { _, err := s.List(patient(t)); return err == nil })

	put(t, s, "work", "x")
	wantLoad(t, open(t, base+"&cert="+namedCert+"&key="+namedKey), "work", "x")
	c := mustClaim(t, s, "work")
	granted := make(chan error, 1)
	go func() {
		c, err := open(t, s.Address()).Claim(patient(t), "work")
		if err == nil {
			err = c.Release()
		}
		granted <- err
	}()
	until(t, "somebody waits", func() bool { return queued(t, s, "work") == 2 })
	mustRelease(t, c)
	if err := <-granted; err != nil {
		t.Fatal(err)
	}
	t.Run("the variables of etcdctl", func(t *testing.T) {
		t.Setenv(ctlCACert, ca)
		t.Setenv(ctlCert, cert)
		t.Setenv(ctlKey, key)
		wantLoad(t, open(t, "etcds://"+m.Endpoint()), "work", "x")
	})

	for name, test := range map[string]struct{ address, want string }{
		"no client certificate":   {base, "tls: "},
		"another authority":       {"etcds://" + m.Endpoint() + "?cacert=" + filepath.Join(other.dir, "ca.pem"), "unknown authority"},
		"the system's":            {"etcds://" + m.Endpoint(), "unknown authority"},
		"another name":            {"etcds://localhost:" + m.Endpoint()[len("127.0.0.1:"):] + "?cacert=" + ca, "localhost"},
		"plain to a TLS server":   {"etcd://" + m.Endpoint(), "does it speak TLS"},
		"TLS to a plain server":   {"etcds://" + testServer.Endpoint(), "does it speak TLS"},
		"TLS, and reset":          {"etcds://" + resetting(t), "does it speak TLS"},
		"a strange client's cert": {base + "&cert=" + filepath.Join(other.dir, "ca.pem") + "&key=" + filepath.Join(other.dir, "ca-key.pem"), "tls: "},
	} {
		_, err := open(t, test.address).Load(patient(t), "work")
		wantError(t, err, nil, test.want)
		if errors.Is(err, codexauth.ErrTransient) && !sysfail.HungUp(err) { // a server that ends hangs up, too
			t.Errorf("%s is said to pass by itself: %v", name, err)
		}
	}

	// With authentication on, the gateway takes no certificate with a common name.
	for _, step := range [][2]string{
		{"auth/user/add", `{"name":"root","password":"root-Passw0rd"}`}, {"auth/role/add", `{"name":"root"}`},
		{"auth/user/grant", `{"user":"root","role":"root"}`}, {"auth/enable", `{}`},
	} {
		if _, err := s.gateway.Call(patient(t), step[0], json.RawMessage(step[1]), &struct{}{}); err != nil {
			t.Fatalf("%s: %v", step[0], err)
		}
	}
	t.Setenv(passwordVariable, "root-Passw0rd")
	base = "etcds://root@" + m.Endpoint() + "?cacert=" + ca
	wantLoad(t, open(t, base+"&cert="+cert+"&key="+key), "work", "x")
	_, err := open(t, base+"&cert="+namedCert+"&key="+namedKey).Load(patient(t), "work")
	wantError(t, err, nil, "without a common name")
}
