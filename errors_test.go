package codexauth_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/internal/oauth"
	"codexauth/store/memory"
)

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Whoever uses the package learns by its own types what a server said, wherever it
// was asked.
func TestErrorsAreThisPackagesOwn(t *testing.T) {
	signIn := func(t *testing.T, m *codexauth.Manager) error {
		_, err := m.SignIn(t.Context(), codexauth.Grant{Code: "c", Verifier: "v", RedirectURI: "r"}, codexauth.SignInOptions{})
		return err
	}
	token := func(t *testing.T, m *codexauth.Manager) error {
		_, err := m.Token(t.Context())
		return err
	}
	for name, c := range map[string]struct {
		path   string // which request is answered so
		status int    // 0 is no answer
		body   string
		call   func(*testing.T, *codexauth.Manager) error
		op     string
		is     []error
	}{
		"discovery": {".well-known", 503, "busy", signIn, "discovery", []error{codexauth.ErrTransient}},
		"exchange":  {"/oauth/token", 400, `{"error":"invalid_request"}`, signIn, "exchange", []error{codexauth.ErrRequest}},
		"gateway":   {"/oauth/token", 502, "<html>", token, "refresh", []error{codexauth.ErrTransient}},
		"no answer": {"/oauth/token", 0, "", token, "refresh", []error{codexauth.ErrTransient}},
		"limited":   {"/oauth/token", 429, `{"error":"slow_down"}`, token, "refresh", []error{codexauth.ErrTransient, codexauth.ErrRateLimited}},
		"unknown":   {"/oauth/token", 200, `{"access_tok`, token, "refresh", []error{codexauth.ErrUnknownOutcome}},
		"revoke": {"/oauth/revoke", 500, `{"error":"server_error"}`, func(t *testing.T, m *codexauth.Manager) error {
			return m.SignOut(t.Context(), false)
		}, "revoke", []error{codexauth.ErrNotRevoked, codexauth.ErrUnknownOutcome}},
		"usage": {"/wham/usage", 403, `{"detail":"no"}`, func(t *testing.T, m *codexauth.Manager) error {
			_, err := m.Usage(t.Context(), tripper(func(*http.Request) (*http.Response, error) {
				return newFake().reply(403, `{"detail":"no"}`), nil
			}))
			return err
		}, "usage", []error{codexauth.ErrRequest}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake()
				store := memory.New()
				if err := signIn(t, newManager(t, s, store)); err != nil {
					t.Fatal(err)
				}
				if c.op == "refresh" {
					time.Sleep(2 * time.Hour)
				}
				m := newManager(t, s, store, func(cfg *codexauth.Config) {
					cfg.HTTPClient = &http.Client{Transport: tripper(func(req *http.Request) (*http.Response, error) {
						switch {
						case !strings.Contains(req.URL.Path, c.path):
							return s.RoundTrip(req)
						case c.status == 0:
							return nil, io.EOF
						}
						return s.reply(c.status, c.body), nil
					})}
				})
				err := c.call(t, m)
				var own *codexauth.Error
				var inner *oauth.Error
				if !errors.As(err, &own) || errors.As(err, &inner) {
					t.Fatalf("not an error of this package: %v (%T)", err, err)
				}
				if own.Op != c.op || own.Status != c.status {
					t.Errorf("%+v", own)
				}
				wantErr(t, err, c.is...)
				if again := c.call(t, m); c.op == "refresh" && !errors.As(again, &own) { // what is remembered
					t.Errorf("the second time: %v", again)
				}
			})
		})
	}
}
