package codexauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"codexauth"
)

// usageAt is a Manager whose backend, and the server of the usage, is h.
func usageAt(t *testing.T, h http.HandlerFunc) *codexauth.Manager {
	t.Helper()
	m, _, _ := backend(t, h)
	return m
}

func TestUsageIsAskedAtOneURLOnly(t *testing.T) {
	var paths []string
	var header http.Header
	m := usageAt(t, func(w http.ResponseWriter, r *http.Request) {
		paths, header = append(paths, r.Method+" "+r.URL.String()), r.Header.Clone()
		fmt.Fprint(w, `{"plan_type":"pro","rate_limit":{"allowed":true,"limit_reached":false,
			"primary_window":{"used_percent":42,"limit_window_seconds":18000,"reset_after_seconds":60,"reset_at":1},
			"secondary_window":null},"credits":{"has_credits":true,"unlimited":false,"balance":"12.50"},"new":[]}`)
	})
	u, err := m.Usage(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 1 || paths[0] != "GET /backend-api/wham/usage" {
		t.Errorf("requests %q", paths)
	}
	if header.Get("Authorization") != "Bearer "+mustToken(t, m).AccessToken.Reveal() || header.Get("chatgpt-account-id") != "acc-1" {
		t.Error("the request was not signed")
	}
	w := u.Windows[0]
	if len(u.Windows) != 1 || w.Name != "primary" || w.UsedPercent != 42 || w.Length != 5*time.Hour || time.Until(w.ResetAt) < 50*time.Second {
		t.Errorf("windows %+v", u.Windows)
	}
	if u.Plan != "pro" || !u.Allowed || u.LimitReached || !u.Credits.Reported || !u.Credits.Has || u.Credits.Balance != "12.50" {
		t.Errorf("usage %+v", u)
	}
}

// The token is for the backend's origin, whatever a configuration says.
func TestUsageURLMustBeAtTheBackend(t *testing.T) {
	const base = "https://backend.example/api/codex"
	for url, ok := range map[string]bool{
		"": true, "https://backend.example/usage": true, "https://BACKEND.example/x/usage": true,
		"https://elsewhere.example/api/wham/usage": false, "https://backend.example:444/usage": false,
		"http://backend.example/usage": false, "https://u:p@backend.example/usage": false,
		"https://backend.example/a/%2e%2e/usage": false, "https://backend.example/a/../usage": false,
		"https://backend.example/usage?x=1": false,
	} {
		p, err := codexauth.Provider{BackendURL: base, UsageURL: url}.Complete()
		if (err == nil) != ok || err != nil && !errors.Is(err, codexauth.ErrIssuer) {
			t.Errorf("%q: %v", url, err)
		}
		if url == "" && p.UsageURL != "https://backend.example/api/wham/usage" {
			t.Errorf("by default %q", p.UsageURL)
		}
	}
	openAI, err := codexauth.Provider{}.Complete()
	if got := openAI.UsageURL; err != nil || got != "https://chatgpt.com/backend-api/wham/usage" {
		t.Errorf("OpenAI's is %q", got)
	}
}

func TestUsageFollowsNoRedirect(t *testing.T) {
	n := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n++ }))
	defer elsewhere.Close()
	m := usageAt(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, err := m.Usage(t.Context(), nil); !errors.Is(err, codexauth.ErrTransient) || n != 0 {
		t.Errorf("%d requests elsewhere, error %v", n, err)
	}
}

func TestUsageErrors(t *testing.T) {
	const jsonError, page = `{"error":{"code":"token_expired","message":"No."}}`, "<html>sign in to the network</html>"
	for _, tt := range []struct {
		status int
		body   string
		want   error
	}{
		{200, page, codexauth.ErrTransient},
		{200, `[]`, codexauth.ErrTransient},
		{503, jsonError, codexauth.ErrTransient},
		{429, jsonError, codexauth.ErrRateLimited},
		{403, page, codexauth.ErrTransient},
		{403, jsonError, codexauth.ErrRequest},
		{401, jsonError, codexauth.ErrRequest},
		{404, jsonError, codexauth.ErrRequest},
	} {
		m := usageAt(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		})
		_, err := m.Usage(t.Context(), nil)
		if !errors.Is(err, tt.want) || errors.Is(err, codexauth.ErrRefused) || errors.Is(err, codexauth.ErrUnknownOutcome) {
			t.Errorf("%d %s: %v", tt.status, tt.body, err)
		}
		if err != nil && strings.Contains(err.Error(), "html") {
			t.Errorf("it shows the answer: %v", err)
		}
	}
	m := usageAt(t, func(http.ResponseWriter, *http.Request) {})
	m.Close()
	if _, err := m.Usage(t.Context(), nil); err == nil {
		t.Error("a closed Manager asked")
	}
}

// What an answer lacks is not made up, and what is absurd does no harm.
func TestUsageOfOddAnswers(t *testing.T) {
	for body, check := range map[string]func(*codexauth.Usage) bool{
		`{}`: func(u *codexauth.Usage) bool { return u.Allowed && len(u.Windows) == 0 && !u.Credits.Reported },
		`{"rate_limit":{"allowed":false,"primary_window":{}}}`: func(u *codexauth.Usage) bool {
			return !u.Allowed && len(u.Windows) == 1 && u.Windows[0].ResetAt.IsZero() && u.Windows[0].Length == 0
		},
		`{"rate_limit":{"secondary_window":{"used_percent":-5,"limit_window_seconds":1e300,"reset_at":1e300}}}`: func(u *codexauth.Usage) bool {
			return u.Windows[0].Name == "secondary" && u.Windows[0].UsedPercent == 0 && u.Windows[0].Length > 0
		},
		`{"plan_type":"a\u001b[31m","credits":{"balance":7}}`: func(u *codexauth.Usage) bool {
			return u.Plan == "a[31m" && u.Credits.Reported && u.Credits.Balance == ""
		},
	} {
		m := usageAt(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, body) })
		u, err := m.Usage(t.Context(), nil)
		if err != nil || !check(u) {
			t.Errorf("%s: %+v, %v", body, u, err)
		}
	}
}
