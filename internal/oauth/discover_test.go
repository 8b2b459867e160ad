package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDiscover(t *testing.T) {
	for _, tt := range []struct {
		name, path, issuer string // what is served where
		want               func(base string) string
		err                error
	}{
		{"RFC 8414", "/.well-known/oauth-authorization-server", "BASE", func(b string) string { return b + "/t" }, nil},
		{"OpenID Connect", "/.well-known/openid-configuration", "BASE", func(b string) string { return b + "/t" }, nil},
		{"none", "/nowhere", "BASE", func(b string) string { return b + "/oauth/token" }, nil},
		{"another issuer", "/.well-known/openid-configuration", "https://evil.example", nil, ErrIssuer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var base string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != tt.path {
					http.NotFound(w, r)
					return
				}
				fmt.Fprintf(w, `{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q}`,
					strings.Replace(tt.issuer, "BASE", base, 1), base+"/a", base+"/t")
			}))
			defer srv.Close()
			base = srv.URL
			e, err := Discover(t.Context(), srv.Client(), base)
			if !errors.Is(err, tt.err) {
				t.Fatal(err)
			}
			if err == nil && e.Token != tt.want(base) {
				t.Errorf("token endpoint %s", e.Token)
			}
		})
	}
}

func TestDiscoverRefusesPlainHTTPEndpoints(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":"http://%s","authorization_endpoint":"https://x.example/a","token_endpoint":"http://x.example/t"}`, r.Host)
	}))
	defer srv.Close()
	if _, err := Discover(t.Context(), srv.Client(), srv.URL); !errors.Is(err, ErrIssuer) {
		t.Errorf("error %v", err)
	}
}

func TestMetadataURLs(t *testing.T) {
	got := metadataURLs("https://example.com/tenant/")
	want := []string{
		"https://example.com/.well-known/oauth-authorization-server/tenant",
		"https://example.com/tenant/.well-known/openid-configuration",
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v", got)
	}
}

func TestCheckIssuer(t *testing.T) {
	for issuer, ok := range map[string]bool{
		"https://auth.openai.com": true, "https://x.example/path": true,
		"http://127.0.0.1:8460": true, "http://localhost:1": true, "http://[::1]:1": true,
		"http://auth.openai.com": false, "http://127.0.0.1.evil.example": false, "http://localhost.evil.example": false,
		"": false, "auth.openai.com": false, "ftp://x": false, "https://": false, "https:opaque": false,
		"https://user:pw@x.example": false, "https://x.example/?q=1": false, "https://x.example/#f": false, "https://x.example/?": false,
		"http://192.168.1.2": false,
	} {
		if err := CheckIssuer(issuer); (err == nil) != ok || err != nil && !errors.Is(err, ErrIssuer) {
			t.Errorf("CheckIssuer(%q) = %v", issuer, err)
		}
	}
}
