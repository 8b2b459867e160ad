package codexauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/store/memory"
)

// fakeServer is a token endpoint as a RoundTripper, so that it runs inside a
// synctest bubble: single-use refresh tokens, reuse revokes the family.
type fakeServer struct {
	mu       sync.Mutex
	current  string // the one refresh token that is good
	n        int
	requests int // refreshes asked for
	reuses   int
	exchange int
	revoked  []string
	dead     bool

	life    time.Duration
	latency time.Duration
	skew    time.Duration

	refuseCode bool
	noAccount  bool           // its tokens name no account
	claims     map[string]any // whose its tokens are; nil is acc-1
	onRevoke   func(ctx context.Context) error
	// hook, if not nil, may answer in the server's place, after the token was
	// spent (granted is the answer that it would give) or, with granted nil,
	// before.
	before func(n int) (*http.Response, error)
	after  func(n int, granted map[string]any) (*http.Response, error)
}

const issuer = "http://127.0.0.1:9" // nobody is there: every request goes to the fake

func newFake() *fakeServer { return &fakeServer{current: "rt-0", life: time.Hour} }

func (s *fakeServer) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, ".well-known") {
		return s.json(404, map[string]any{}), nil
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	if strings.HasSuffix(req.URL.Path, "/oauth/revoke") {
		var v struct{ Token string }
		json.Unmarshal(body, &v)
		s.mu.Lock()
		s.revoked = append(s.revoked, v.Token)
		hook := s.onRevoke
		s.mu.Unlock()
		if hook != nil {
			if err := hook(req.Context()); err != nil {
				return nil, err
			}
		}
		return s.json(200, map[string]any{}), nil
	}
	form, _ := url.ParseQuery(string(body))
	select {
	case <-time.After(s.latency):
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	if form.Get("grant_type") == "authorization_code" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.refuseCode {
			return s.refusal("invalid_grant"), nil
		}
		s.exchange++
		s.current = fmt.Sprintf("rt-login%d-0", s.exchange)
		s.dead = false
		return s.json(200, s.grant()), nil
	}
	return s.refresh(form.Get("refresh_token"))
}

func (s *fakeServer) refresh(token string) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	n := s.requests
	if s.before != nil {
		if resp, err := s.before(n); resp != nil || err != nil {
			return resp, err
		}
	}
	if s.dead || token != s.current {
		s.reuses++
		s.dead = true
		return s.refusal("refresh_token_reused"), nil
	}
	s.n++
	s.current = fmt.Sprintf("rt-%d", s.n)
	granted := s.grant()
	if s.after != nil {
		if resp, err := s.after(n, granted); resp != nil || err != nil {
			return resp, err
		}
	}
	return s.json(200, granted), nil
}

func (s *fakeServer) grant() map[string]any {
	return map[string]any{
		"access_token":  s.jwt(fmt.Sprintf("%s-%d", s.current, s.n)),
		"refresh_token": s.current,
		"expires_in":    int(s.life.Seconds()),
		"token_type":    "Bearer",
	}
}

func (s *fakeServer) now() time.Time { return time.Now().Add(s.skew) }

func (s *fakeServer) jwt(id string) string {
	if s.noAccount {
		return jwt(map[string]any{"jti": id, "exp": s.now().Add(s.life).Unix(), "iat": s.now().Unix()})
	}
	claims := s.claims
	if claims == nil {
		claims = map[string]any{"chatgpt_account_id": "acc-1", "chatgpt_plan_type": "plus"}
	}
	return jwt(map[string]any{
		"jti": id, "exp": s.now().Add(s.life).Unix(), "iat": s.now().Unix(),
		"https://api.openai.com/auth": claims,
	})
}

func (s *fakeServer) refusal(code string) *http.Response {
	return s.json(401, map[string]any{"error": map[string]any{"code": code, "message": "no more", "type": "invalid_request_error"}})
}

func (s *fakeServer) json(status int, v any) *http.Response {
	data, _ := json.Marshal(v)
	return s.reply(status, string(data))
}

func (s *fakeServer) reply(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Date": {s.now().UTC().Format(http.TimeFormat)}},
		Body:   io.NopCloser(strings.NewReader(body)),
	}
}

// badGateway is a hook that answers the nth request with a gateway's page.
func (s *fakeServer) badGateway(nth int) func(n int) (*http.Response, error) {
	return func(n int) (*http.Response, error) {
		if n == nth {
			return s.reply(502, "<html>bad gateway</html>"), nil
		}
		return nil, nil
	}
}

func (s *fakeServer) counts() (requests, reuses int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.reuses
}

func jwt(claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"none"}`)) + "." + e(payload) + "." + e([]byte("signature"))
}

// newManager makes a Manager on the fake server; edit may change its Config.
func newManager(t *testing.T, s *fakeServer, store codexauth.Store, edit ...func(*codexauth.Config)) *codexauth.Manager {
	t.Helper()
	cfg := codexauth.Config{
		Store: store, Provider: codexauth.Provider{Issuer: issuer},
		HTTPClient: &http.Client{Transport: s}, RescueDir: filepath.Join(t.TempDir(), "rescue"), Lazy: true,
	}
	for _, f := range edit {
		f(&cfg)
	}
	m, err := codexauth.NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return onBubbleTime(m) // or a wait in a bubble would spin until it is over outside
}

// onBubbleTime lets the clock of m's fence run with the others of a synctest bubble.
func onBubbleTime(m *codexauth.Manager) *codexauth.Manager {
	began := time.Now()
	m.SetBoot(func() time.Duration { return time.Since(began) })
	return m
}

// signIn stores a login of the fake server whose token lives for life.
func signIn(t *testing.T, s *fakeServer, store codexauth.Store) *codexauth.Manager {
	t.Helper()
	m := newManager(t, s, store)
	if _, err := m.SignIn(t.Context(), codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{}); err != nil {
		t.Fatal(err)
	}
	return m
}

// brokenStore lets a test fail the store's operations.
type brokenStore struct {
	*memory.Store
	commit func(ctx context.Context, record []byte, commit func() error) error
}

func (s *brokenStore) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.Store.Claim(ctx, key)
	if err != nil {
		return nil, err
	}
	return &brokenClaim{c, s}, nil
}

type brokenClaim struct {
	codexauth.Claim
	s *brokenStore
}

func (c *brokenClaim) Commit(ctx context.Context, record []byte) error {
	commit := func() error { return c.Claim.Commit(ctx, record) }
	if c.s.commit == nil {
		return commit()
	}
	return c.s.commit(ctx, record, commit)
}

// edit changes the stored record as somebody else would.
func edit(t *testing.T, store codexauth.Store, f func(*codexauth.Record)) {
	t.Helper()
	claim, err := store.Claim(t.Context(), codexauth.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	defer claim.Release()
	if err := claim.Commit(t.Context(), codexauth.Edit(codexauth.DefaultKey, claim.Record(), f)); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, store codexauth.Store) *codexauth.Record {
	t.Helper()
	data, err := store.Load(t.Context(), codexauth.DefaultKey)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := codexauth.DecodeRecord(codexauth.DefaultKey, data)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func mustToken(t *testing.T, m *codexauth.Manager) codexauth.Token {
	t.Helper()
	token, err := m.Token(t.Context())
	if err != nil {
		t.Fatalf("Token: %v", err)
	}
	return token
}

func wantErr(t *testing.T, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("error %v is not %v", err, target)
		}
	}
}

// wantRefusal checks that a login is over, by the server's code.
func wantRefusal(t *testing.T, err error, code string) {
	t.Helper()
	wantErr(t, err, codexauth.ErrRefused)
	var refused *codexauth.RefusedError
	if !errors.As(err, &refused) || refused.Code != code {
		t.Fatalf("error %v is not a refusal with the code %s", err, code)
	}
}
