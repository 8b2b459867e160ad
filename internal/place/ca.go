package place

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"codexauth/internal/certfile"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// Trust reads the certificates to trust in addition to the system's. Those that can't be
// used are in p.Distrust, unless none can: that is an error.
func (p *Place) Trust(caFile string) (err error) {
	if caFile == "" {
		return nil
	}
	if p.CAFile, err = filepath.Abs(caFile); err != nil {
		return err
	}
	p.HTTP, p.Distrust, err = httpClient(p.CAFile)
	return err
}

// httpClient returns the client for the authorization server where a private
// certificate authority is named. Its certificates are trusted in addition to the
// system's.
func httpClient(caFile string) (hc *http.Client, distrust, err error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, nil, hint.Usage(fmt.Sprintf("the certificates of --ca-file can't be read: %v", err), "name a PEM file")
	}
	found, distrust := certfile.Parse(text)
	name := cleantext.OneLine(caFile)
	switch {
	case len(found) == 0 && distrust != nil:
		return nil, nil, hint.Usage(fmt.Sprintf("no certificate in %s can be used: %v", name, distrust), "have the authority's certificate issued again, or name another file")
	case len(found) == 0:
		return nil, nil, hint.Usage("there is no certificate in "+name, "--ca-file names a PEM file with BEGIN CERTIFICATE lines")
	case distrust != nil:
		distrust = fmt.Errorf("not every certificate in %s can be used: %w", name, distrust)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, c := range found {
		pool.AddCert(c)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	t.TLSClientConfig = &tls.Config{RootCAs: pool}
	return &http.Client{Transport: t}, distrust, nil
}
