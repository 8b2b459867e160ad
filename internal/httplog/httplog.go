// Package httplog reports requests, and of nothing in them that may be secret.
package httplog

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"codexauth/internal/cleantext"
)

// Transport is base, and logs each request at debug level: its method, host and path,
// and the status and how long it took until there was one. Queries, headers and bodies
// are not logged; don't use it where a path is secret. base nil means
// [http.DefaultTransport]; without a log it is returned as it is.
func Transport(base http.RoundTripper, log *slog.Logger) http.RoundTripper {
	switch {
	case log == nil:
		return base
	case base == nil:
		base = http.DefaultTransport
	}
	return &transport{base, log}
}

type transport struct {
	base http.RoundTripper
	log  *slog.Logger
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := t.base.RoundTrip(req)
	about := []any{"method", req.Method, "host", req.URL.Host, "path", req.URL.EscapedPath()}
	if err != nil {
		about = append(about, "error", reason(err))
	} else {
		about = append(about, "status", resp.StatusCode)
	}
	t.log.Debug("request", append(about, "took", time.Since(began).Round(time.Microsecond))...)
	return resp, err
}

// CloseIdleConnections is for http.Client's method of that name.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// reason is an error without what it may repeat of a proxy's address, which can hold a
// password, or of a token.
func reason(err error) string {
	if strings.Contains(err.Error(), "proxy address") {
		return "the proxy's address can't be understood"
	}
	return cleantext.Message(err.Error())
}
