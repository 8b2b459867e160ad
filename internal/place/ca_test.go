package place

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

func TestPrivateCertificateAuthority(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	c, distrust, err := httpClient(file)
	if distrust != nil || err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(srv.URL); err != nil {
		t.Errorf("a server of the named authority is not trusted: %v", err)
	}
	if _, err := http.Get(srv.URL); err == nil {
		t.Error("everybody trusts that server: this test shows nothing")
	}
}
