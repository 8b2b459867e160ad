package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// httpClient returns the client for the authorization server: nil, which is the
// usual one, unless a private certificate authority is named. Its certificates
// are trusted beside the system's.
func httpClient(caFile string) (*http.Client, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, &usageError{fmt.Sprintf("the certificates of --ca-file can't be read: %v", err), "name a PEM file"}
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &usageError{fmt.Sprintf("there is no certificate in %s", oneLine(caFile)), "--ca-file names a PEM file with BEGIN CERTIFICATE lines"}
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	t.TLSClientConfig = &tls.Config{RootCAs: pool}
	return &http.Client{Transport: t}, nil
}
