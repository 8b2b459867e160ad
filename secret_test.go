package codexauth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

const planted = "planted-secret-5f2d"

func plantedCredential() codexauth.Credential {
	s := codexauth.NewSecret(planted)
	return codexauth.Credential{Issuer: "https://issuer.example", ClientID: "c", AccessToken: s, RefreshToken: s, IDToken: s}
}

func TestSecretsDoNotPrintThemselves(t *testing.T) {
	c := plantedCredential()
	token := codexauth.Token{AccessToken: c.AccessToken, AccountID: "acc"}
	grant := codexauth.Grant{Code: planted, RedirectURI: planted, Verifier: planted}
	type wrapper struct {
		Public  any
		private codexauth.Credential
		token   codexauth.Token
		secret  codexauth.Secret
	}
	for _, v := range []any{c, &c, token, &token, grant, &grant, []codexauth.Grant{grant}, c.AccessToken, &c.AccessToken, wrapper{c, c, token, c.AccessToken}, []any{c, token}, map[string]any{"k": c}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, planted) || strings.Contains(out, fmt.Sprintf("%x", planted)) {
				t.Errorf("%s of %T shows the secret: %s", verb, v, out)
			}
		}
		if data, err := json.Marshal(v); err == nil && bytes.Contains(data, []byte(planted)) {
			t.Errorf("JSON of %T shows the secret", v)
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).Info("x", "v", v, slog.Any("g", v))
		}
		if strings.Contains(log.String(), planted) {
			t.Errorf("slog of %T shows the secret: %s", v, log.String())
		}
	}
	if c.AccessToken.Reveal() != planted || !c.AccessToken.Equal(codexauth.NewSecret(planted)) || c.AccessToken.Equal(codexauth.Secret{}) {
		t.Error("Reveal or Equal is wrong")
	}
}

// Every failure that a server can cause, with its answer full of secrets: none
// may show in an error or in the log.
func TestErrorsAndLogsHoldNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaky := `{"error":{"code":"odd","message":"bad token ` + strings.Repeat(planted, 3) + `"},"access_token":"` + planted + `"}`
		for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 500} {
			for _, body := range []string{leaky, leaky[:len(leaky)-3], "<html>" + planted, planted} {
				s := newFake()
				s.current = "rt-" + planted
				store := expired(t, s)
				edit(t, store, func(r *codexauth.Record) { r.Credential.RefreshToken = s.current + planted })
				s.before = func(int) (*http.Response, error) { return s.reply(status, body), nil }
				var log bytes.Buffer
				m := newManager(t, s, store, func(c *codexauth.Config) {
					c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				_, err := m.Token(t.Context())
				if err == nil {
					t.Fatalf("status %d %q: no error", status, body)
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					if out := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(out, planted) {
						t.Errorf("status %d: the error shows a secret: %s", status, out)
					}
				}
				if strings.Contains(log.String(), planted) {
					t.Errorf("status %d: the log shows a secret: %s", status, log.String())
				}
			}
		}
	})
}

func TestRescueFileIsPrivate(t *testing.T) {
	if os.Geteuid() < 0 {
		t.Skip("this system has no file modes")
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := &brokenStore{Store: expired(t, s)}
		store.commit = failAfterNote(func(int) error { return errors.New("broken") })
		open := t.TempDir() // readable by others
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := newManager(t, s, store, func(c *codexauth.Config) { c.RescueDir = open }).Token(t.Context())
		wantErr(t, err, codexauth.ErrNotSaved)
		if files, _ := filepath.Glob(filepath.Join(open, "*")); len(files) != 0 {
			t.Errorf("a rescue file was put where others can look: %v", files)
		}
		time.Sleep(time.Second)
	})
}
