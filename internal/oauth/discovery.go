package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"codexauth/internal/address"
	"codexauth/internal/cleantext"
)

// Endpoints is where an authorization server answers.
type Endpoints struct {
	Issuer    string
	Authorize string
	Token     string
	Revoke    string // may be empty: the server has no revocation endpoint
	// DeviceAuthorization is RFC 8628 §3.1; empty if not announced.
	DeviceAuthorization string
	// IssParameter: the server sends iss with its authorization response (RFC 9207).
	IssParameter bool
	// Announced: all of this stands in the server's metadata.
	Announced bool
}

// DefaultEndpoints returns the service's own layout under an issuer.
func DefaultEndpoints(issuer string) Endpoints {
	base := strings.TrimSuffix(issuer, "/")
	return Endpoints{
		Issuer:    issuer,
		Authorize: base + authorizePath,
		Token:     base + tokenPath,
		Revoke:    base + revokePath,
	}
}

// ErrIssuer: an issuer, or the metadata that it serves, can't be used.
var ErrIssuer = errors.New("unusable issuer")

// CheckIssuer accepts https URLs, and http ones on a loopback address, without
// query and fragment (RFC 8414 §2).
func CheckIssuer(issuer string) error {
	if err := checkEndpoint(issuer); err != nil {
		return err
	}
	if u, _ := url.Parse(issuer); u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fmt.Errorf("%w: %q has a query or a fragment", ErrIssuer, issuer)
	}
	return nil
}

func checkEndpoint(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return fmt.Errorf("%w: %q is not a URL like https://auth.example.com", ErrIssuer, raw)
	case u.User != nil:
		return fmt.Errorf("%w: a URL with a user name in it", ErrIssuer)
	case u.Scheme == "https", u.Scheme == "http" && address.Loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("%w: %q is plain HTTP; tokens go over HTTPS only, except to this machine", ErrIssuer, raw)
	}
	return fmt.Errorf("%w: %q is not an https URL", ErrIssuer, raw)
}

type metadata struct {
	Issuer              string `json:"issuer"`
	Authorize           string `json:"authorization_endpoint"`
	Token               string `json:"token_endpoint"`
	Revoke              string `json:"revocation_endpoint"`
	DeviceAuthorization string `json:"device_authorization_endpoint"`
	IssParameter        bool   `json:"authorization_response_iss_parameter_supported"`
}

// Discover finds the endpoints of an issuer: RFC 8414 metadata, else OpenID
// Connect discovery, else, where neither is served, the service's own layout.
// What answers in a document's place (an error, a page, a redirect, which is not
// followed) counts as none; a server that can't be asked now does not. Metadata that does not name the issuer back is refused (RFC 8414 §3.3).
func Discover(ctx context.Context, hc *http.Client, issuer string) (Endpoints, error) {
	if err := CheckIssuer(issuer); err != nil {
		return Endpoints{}, err
	}
	for _, u := range metadataURLs(issuer) {
		m, err := fetchMetadata(ctx, hc, u)
		if err != nil {
			return Endpoints{}, err
		}
		if m != nil {
			return m.endpoints(issuer)
		}
	}
	return DefaultEndpoints(issuer), nil
}

// Locate returns an issuer's endpoints: OpenAI's are built in, another's are
// discovered. hc may be nil.
func Locate(ctx context.Context, hc *http.Client, issuer string) (Endpoints, error) {
	if issuer == OpenAIIssuer {
		return DefaultEndpoints(issuer), nil
	}
	return Discover(ctx, DefaultHTTP(hc), issuer)
}

// DefaultHTTP is hc, or a client for an authorization server: proxies from the
// environment, no connection kept, since requests are hours apart.
func DefaultHTTP(hc *http.Client) *http.Client {
	if hc != nil {
		return hc
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return &http.Client{Transport: t}
}

// metadataURLs: RFC 8414 §3.1 puts the well-known part between host and path,
// OpenID Connect behind the path.
func metadataURLs(issuer string) []string {
	u, _ := url.Parse(issuer)
	path := strings.TrimSuffix(u.Path, "/")
	origin := u.Scheme + "://" + u.Host
	return []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + path + "/.well-known/openid-configuration",
	}
}

// fetchMetadata returns nil and no error where there is no such document.
func fetchMetadata(ctx context.Context, hc *http.Client, u string) (*metadata, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, &Error{Op: "discovery", Err: err}
	}
	req.Header.Set("Accept", "application/json")
	resp, body, err := roundTrip(hc, req)
	if err != nil {
		return nil, &Error{Op: "discovery", Err: err}
	}
	switch {
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		e := errorFrom("discovery", resp, body)
		e.Class = Transient
		return nil, e
	case resp.StatusCode != http.StatusOK:
		return nil, nil
	}
	var m metadata
	if json.Unmarshal(cleantext.SkipMark(body), &m) != nil || m.Issuer == "" && m.Token == "" {
		return nil, nil
	}
	return &m, nil
}

func (m *metadata) endpoints(issuer string) (Endpoints, error) {
	if strings.TrimSuffix(m.Issuer, "/") != strings.TrimSuffix(issuer, "/") {
		return Endpoints{}, fmt.Errorf("%w: the metadata of %s names %q as its issuer", ErrIssuer, issuer, m.Issuer)
	}
	if m.Authorize == "" || m.Token == "" {
		return Endpoints{}, fmt.Errorf("%w: the metadata of %s lacks an authorization or a token endpoint", ErrIssuer, issuer)
	}
	e := Endpoints{
		Issuer: issuer, Authorize: m.Authorize, Token: m.Token, Revoke: m.Revoke,
		DeviceAuthorization: m.DeviceAuthorization, IssParameter: m.IssParameter, Announced: true,
	}
	return e, e.Check()
}

// Check makes sure that nothing secret would go over plain HTTP, except to this
// machine and for an issuer that is itself on it.
func (e Endpoints) Check() error {
	for _, u := range []string{e.Authorize, e.Token, e.Revoke, e.DeviceAuthorization} {
		if u == "" {
			continue
		}
		if err := checkEndpoint(u); err != nil {
			return fmt.Errorf("the metadata of %s: %w", e.Issuer, err)
		}
		if strings.HasPrefix(u, "http:") && strings.HasPrefix(e.Issuer, "https:") {
			return fmt.Errorf("%w: the metadata of %s names the plain HTTP endpoint %s", ErrIssuer, e.Issuer, u)
		}
	}
	return nil
}
