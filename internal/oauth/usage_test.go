package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// net/http repeats a proxy's address that it can't parse, and the password in it.
func TestProxyAddressIsNotRepeated(t *testing.T) {
	hc := &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		return nil, fmt.Errorf("invalid proxy address %q: %w", "http://me:s3cret@h:x", errors.New("invalid port"))
	}}}
	_, usageErr := FetchUsage(context.Background(), hc, "https://backend.example/usage", "test")
	_, discoverErr := Discover(context.Background(), hc, "https://issuer.example")
	c := &Client{HTTP: hc, Endpoints: DefaultEndpoints("https://issuer.example")}
	_, refreshErr := c.Refresh(context.Background(), "token", nil)
	for _, err := range []error{usageErr, discoverErr, refreshErr} {
		if !errors.Is(err, ErrTransient) || !strings.Contains(err.Error(), "HTTPS_PROXY") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error %v", err)
		}
	}
}

func FuzzUsage(f *testing.F) {
	f.Add(`{"plan_type":"plus","rate_limit":{"primary_window":{"used_percent":1e308,"reset_after_seconds":-1}},"credits":{"balance":{}}}`)
	f.Add(`{"rate_limit":{"secondary_window":{"reset_at":1e300,"limit_window_seconds":1e300}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		answer := roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}, Request: r}, nil
		})
		u, err := FetchUsage(context.Background(), &http.Client{Transport: answer}, "http://127.0.0.1/usage", "test")
		if (u == nil) == (err == nil) {
			t.Fatalf("%v, %v", u, err)
		}
		if err != nil {
			return
		}
		for _, w := range u.Windows {
			if w.UsedPercent < 0 || w.Length < 0 {
				t.Errorf("window %+v", w)
			}
		}
	})
}
