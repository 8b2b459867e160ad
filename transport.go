package codexauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"codexauth/internal/oauth"
	"codexauth/internal/reason"
)

// ErrNotBackend: a request to anything but the provider's backend. It was not
// sent: the token is for one origin and path prefix only.
var ErrNotBackend = errors.New("not a request to the backend")

// Client returns an *http.Client that signs requests to the provider's backend
// with the login's access token and refuses every other URL. It follows no
// redirects: they are an error.
func (m *Manager) Client() *http.Client {
	return &http.Client{
		Transport: m.Transport(nil),
		CheckRedirect: func(req *http.Request, _ []*http.Request) error {
			return fmt.Errorf("%w: it redirects to %s, and a redirect is never followed with a token", ErrNotBackend, req.URL.Host)
		},
	}
}

// BackendURL is where the requests go that a Transport signs.
func (m *Manager) BackendURL() string { return m.provider.BackendURL }

// Transport returns a RoundTripper that signs requests to the provider's
// backend and sends them through base (nil means http.DefaultTransport). When
// the backend answers 401 it gets another token and sends the request once
// more, if its body can be had again (no body, or Request.GetBody). It never
// changes the caller's request and may be used concurrently.
func (m *Manager) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{m: m, base: base, check: m.provider.backendCheck()}
}

type transport struct {
	m     *Manager
	base  http.RoundTripper
	check func(*url.URL) error // refuses what must not be signed
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.check(req.URL); err != nil {
		closeBody(req)
		return nil, err
	}
	token, err := t.m.Token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.base.RoundTrip(t.sign(req, token, req.Body))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusUnauthorized:
		return t.recover(req, resp, token)
	}
	t.m.rejections.answered(resp.StatusCode)
	return resp, nil
}

// recover answers a 401: with another token, once. Where there is none, the
// caller sees the backend's own words.
func (t *transport) recover(req *http.Request, refused *http.Response, token Token) (*http.Response, error) {
	next, err := t.m.another(req.Context(), token)
	if err != nil {
		return refused, nil
	}
	body, ok := bodyAgain(req)
	if !ok {
		return refused, nil // the next request has the other token
	}
	io.Copy(io.Discard, io.LimitReader(refused.Body, 64<<10))
	refused.Body.Close()
	resp, err := t.base.RoundTrip(t.sign(req, next, body))
	if err == nil {
		t.m.rejections.retried(resp.StatusCode)
	}
	return resp, err
}

// another returns a token in place of one that the backend refused. Until there is
// one, the refused one is everybody else's, unless somebody has signed out.
func (m *Manager) another(ctx context.Context, refused Token) (Token, error) {
	n := need{Not: refused.AccessToken.fingerprint()}
	if h := m.held.Load(); n.accepts(h) {
		return h.token, nil
	}
	h, err := m.obtain(ctx, n)
	if errors.Is(err, ErrSignedOut) && !errors.Is(err, reason.ErrStoreAway) {
		m.drop(refused)
	}
	return tokenOf(h, err)
}

// drop forgets a token whose login is over.
func (m *Manager) drop(t Token) {
	if h := m.held.Load(); h != nil && h.token.AccessToken.Equal(t.AccessToken) {
		m.held.CompareAndSwap(h, nil)
	}
}

// bodyAgain returns the body for a second sending.
func bodyAgain(req *http.Request) (io.ReadCloser, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	return body, err == nil
}

// sign returns a copy of req with the token in it. Of the header it copies no
// more than what could change: the values are shared, clipped so that nobody
// appends into another's.
func (t *transport) sign(req *http.Request, token Token, body io.ReadCloser) *http.Request {
	signed := req.WithContext(req.Context())
	signed.Body = body
	signed.Header = make(http.Header, len(req.Header)+3)
	for name, values := range req.Header {
		signed.Header[name] = slices.Clip(values)
	}
	token.SetHeaders(signed.Header)
	return signed
}

// SetHeaders puts the token into the headers of a request to the backend. Only
// ever do this for a request that goes to the provider's backend.
func (t Token) SetHeaders(h http.Header) {
	h.Set("Authorization", "Bearer "+t.AccessToken.Reveal())
	h.Del(oauth.AccountHeader)
	if t.AccountID != "" {
		h.Set(oauth.AccountHeader, t.AccountID)
	}
	if h.Get(oauth.OriginatorHeader) == "" {
		h.Set(oauth.OriginatorHeader, oauth.Originator)
	}
	h.Del(oauth.FedRAMPHeader)
	if t.FedRAMP {
		h.Set(oauth.FedRAMPHeader, "true")
	}
}

// backendCheck reads the backend's URL once for many requests.
func (p Provider) backendCheck() func(*url.URL) error {
	backend, err := url.Parse(p.BackendURL)
	return func(u *url.URL) error {
		if err != nil {
			return err
		}
		return checkBackend(u, backend)
	}
}

// checkBackend accepts the backend's exact origin and what lies under its path.
// An escaped or dotted path could mean another place to the server than to us.
func checkBackend(u, backend *url.URL) error {
	if u.Scheme != backend.Scheme || !strings.EqualFold(u.Host, backend.Host) || u.User != nil {
		return fmt.Errorf("%w: %s://%s is not %s", ErrNotBackend, u.Scheme, u.Host, backend)
	}
	path := u.EscapedPath()
	rest, ok := strings.CutPrefix(path, backend.Path)
	if !ok || rest != "" && rest[0] != '/' {
		return fmt.Errorf("%w: its path is not under %s", ErrNotBackend, backend)
	}
	if unclear(path) {
		return fmt.Errorf("%w: its path has escapes or dot segments", ErrNotBackend)
	}
	return nil
}

// unclear reports whether a path may mean another place to a server than to us.
func unclear(path string) bool {
	return strings.ContainsAny(path, `%\;`) || strings.Contains(path, "//") || hasDotSegment(path)
}

func hasDotSegment(path string) bool {
	for s := range strings.SplitSeq(path, "/") {
		if s == "." || s == ".." {
			return true
		}
	}
	return false
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
