package certfile

import (
	"bytes"
	"encoding/pem"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// What people have in such files.
func TestCertificatesOfAFile(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	der := srv.Certificate().Raw
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	good, bad := encode("CERTIFICATE", der), encode("CERTIFICATE", []byte("nothing"))
	for name, c := range map[string]struct {
		text     []byte
		distrust string
	}{
		"byte order mark": {append([]byte("\ufeff"), good...), ""},
		"OpenSSL's":       {encode("TRUSTED CERTIFICATE", append(slices.Clone(der), 0x30, 0)), ""},
		"beside a key":    {slices.Concat(encode("PRIVATE KEY", []byte("x")), good), ""},
		"beside a bad":    {slices.Concat(good, bad), "certificate 2: "},
		"a bad before":    {slices.Concat(bad, good), "certificate 1: "},
	} {
		found, distrust := Parse(c.text)
		if len(found) != 1 || !bytes.Equal(found[0].Raw, der) {
			t.Errorf("%s: %d certificates, %v", name, len(found), distrust)
		}
		if (distrust != nil) != (c.distrust != "") || distrust != nil && !strings.Contains(distrust.Error(), c.distrust) {
			t.Errorf("%s: what can't be used is %v", name, distrust)
		}
		if _, err := Pool(c.text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range [][]byte{nil, []byte("no PEM"), encode("PRIVATE KEY", []byte("x"))} {
		if _, err := Pool(text); err == nil {
			t.Errorf("%q is taken for a certificate", text)
		}
	}
	if _, err := Pool(bad); err == nil || !strings.Contains(err.Error(), "certificate 1: ") {
		t.Errorf("a bad one alone: %v", err)
	}
}
