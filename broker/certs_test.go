package broker

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// certify returns a certificate for name and its key, in PEM.
func certify(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// place makes a directory with a pair for name, as Kubernetes mounts one.
func place(t *testing.T, dir, name string) string {
	t.Helper()
	cert, key := certify(t, name)
	at := filepath.Join(dir, name)
	for _, err := range []error{os.Mkdir(at, 0o700), os.WriteFile(filepath.Join(at, "tls.crt"), cert, 0o600), os.WriteFile(filepath.Join(at, "tls.key"), key, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return at
}

// A changed certificate is served from the next handshakes on, whether its files are
// replaced or a link to both is swapped. One that can't be used is reported once, and
// the old one stays.
func TestCertificatesThatChange(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a link takes a right of its own there")
	}
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		link := filepath.Join(dir, "..data")
		swap := func(to string) {
			t.Helper()
			os.Remove(link + ".new")
			if err := os.Symlink(to, link+".new"); err != nil {
				t.Skipf("no symbolic links here: %v", err)
			}
			if err := os.Rename(link+".new", link); err != nil {
				t.Fatal(err)
			}
		}
		swap(place(t, dir, "first"))
		var said bytes.Buffer
		config, err := LoadTLS(filepath.Join(link, "tls.crt"), filepath.Join(link, "tls.key"), slog.New(slog.NewTextHandler(&said, nil)))
		if err != nil {
			t.Fatal(err)
		}
		serves := func(want string) {
			t.Helper()
			pair, err := config.GetCertificate(nil)
			if err != nil || pair.Leaf.Subject.CommonName != want {
				t.Fatalf("it serves %s, %v; want %s; it said %s", pair.Leaf.Subject.CommonName, err, want, said.String())
			}
		}
		serves("first")
		swap(place(t, dir, "second"))
		serves("first") // the files are looked at once a second
		time.Sleep(certEvery)
		serves("second")

		broken := place(t, dir, "broken")
		_, foreign := certify(t, "another")
		if err := os.WriteFile(filepath.Join(broken, "tls.key"), foreign, 0o600); err != nil {
			t.Fatal(err)
		}
		swap(broken)
		for range 5 {
			time.Sleep(certEvery)
			serves("second")
		}
		if n := strings.Count(said.String(), "can't be used"); n != 1 {
			t.Errorf("told %d times: %s", n, said.String())
		}
		swap(filepath.Join(dir, "nowhere"))
		time.Sleep(certEvery)
		serves("second")
		swap(place(t, dir, "third"))
		time.Sleep(certEvery)
		serves("third")
		// In place, one file after the other.
		cert, key := certify(t, "fourth")
		for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
			if err := os.WriteFile(filepath.Join(dir, "third", name), append(content, "\n"...), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(certEvery)
		serves("fourth")
		if strings.Contains(said.String(), "PRIVATE KEY") {
			t.Error("the log holds a key")
		}
	})
}
