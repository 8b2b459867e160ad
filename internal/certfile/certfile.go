// Package certfile reads files of certificate authorities as people have them.
package certfile

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
)

// Parse returns the certificates of a PEM file, and why some of them can't be used.
func Parse(text []byte) (found []*x509.Certificate, distrust error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows put it there
	for n := 1; ; {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return found, distrust
		}
		der := block.Bytes
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE":
		case "TRUSTED CERTIFICATE": // OpenSSL's: what it is trusted for follows
			var first asn1.RawValue
			if _, err := asn1.Unmarshal(der, &first); err == nil {
				der = first.FullBytes
			}
		default: // a key, for one
			continue
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			distrust = errors.Join(distrust, fmt.Errorf("certificate %d: %w", n, err))
		} else {
			found = append(found, c)
		}
		n++
	}
}

// Pool returns the certificates of a PEM file as a pool of their own. It leaves out
// what can't be used, unless that is all of it.
func Pool(text []byte) (*x509.CertPool, error) {
	found, distrust := Parse(text)
	if len(found) == 0 {
		return nil, errors.Join(errors.New("there is no certificate in it that can be used"), distrust)
	}
	pool := x509.NewCertPool()
	for _, c := range found {
		pool.AddCert(c)
	}
	return pool, nil
}
