package oauth

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Each token is judged alone: what is odd about one is no reason to lose another.
func TestTokensAreJudgedAlone(t *testing.T) {
	for body, want := range map[string][3]string{
		`{"access_token":"a\n","refresh_token":"r","id_token":"i"}`:                  {"a", "r", "i"},
		`{"access_token":" a","refresh_token":"r\r\n"}`:                              {"a", "r", ""},
		`{"access_token":"a b","refresh_token":"r"}`:                                 {"", "r", ""},
		`{"access_token":"a","refresh_token":"r","id_token":"no jwt \u0000"}`:        {"a", "r", ""},
		`{"access_token":"a","refresh_token":"r \u00fc","id_token":"i"}`:             {"a", "r ü", "i"},
		"\ufeff" + `{"access_token":"a","refresh_token":"r"}`:                        {"a", "r", ""},
		" \r\n\t\ufeff\n" + `{"access_token":"a","refresh_token":"r"}`:               {"a", "r", ""},
		`{"error":null,"access_token":["a"],"refresh_token":"r","id_token":{"x":1}}`: {"", "r", ""},
	} {
		a, err := parseAnswer([]byte(body))
		if err != nil {
			t.Errorf("%q: %v", body, err)
			continue
		}
		if got := [3]string{a.AccessToken, a.RefreshToken, a.IDToken}; got != want {
			t.Errorf("%q: %q", body, got)
		}
		if odd := want[0] == "" && strings.Contains(body, `"a b"`); (a.Odd != nil) != odd {
			t.Errorf("%q: %v", body, a.Odd)
		}
	}
}

// A token that is too long for a record is no fault of the refresh token behind it.
func TestTokensThatAreTooLong(t *testing.T) {
	long := strings.Repeat("x", MaxToken+1)
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"access_token":%q,"id_token":%q,"scope":%q,"refresh_token":"next"}`, strings.Repeat("x", 2*MaxToken), long, long)
	})
	a, err := c.Refresh(t.Context(), "rt", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.RefreshToken != "next" || a.AccessToken != "" || a.IDToken != "" || a.Scope != "" || a.Odd == nil || a.Torn != nil {
		t.Errorf("refresh token %q, %d, %d and %d bytes, odd %v, torn %v", a.RefreshToken, len(a.AccessToken), len(a.IDToken), len(a.Scope), a.Odd, a.Torn)
	}
}

func TestErrorCodesAreShown(t *testing.T) {
	for code, want := range map[string]string{
		"workspace_administrator_has_disabled_this_application": "workspace_administrator_has_disabled_this_application",
		"AADSTS700082":                           "aadsts700082",
		"a\x1b[2Jb\u202ec":                       "a[2jbc",
		"rt.1.AAbZ9dk3hdk20dkJskdk39dkalskdjfh3": "[redacted]", // a token that was echoed
		"0123456789abcdef0123456789abcdef":       "[redacted]",
		strings.Repeat("word_", 30):              "[redacted]",
	} {
		if got := shownCode(code); got != want {
			t.Errorf("%q is shown as %q, want %q", code, got, want)
		}
	}
}

// Only the authorization server's own JSON teaches the clock, and no cache.
func TestWhoTeachesTheClock(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		age    string
		taught bool
	}{
		{503, "<html>", "", false},
		{503, `{"message":"no"}`, "", false},
		{401, `{"error":"refresh_token_reused"}`, "", true},
		{503, `{"error":"temporarily_unavailable"}`, "", true},
		{503, `{"error":"temporarily_unavailable"}`, "3600", false},
	} {
		h := http.Header{"Date": {"Thu, 01 Jan 2015 00:00:00 GMT"}}
		if tt.age != "" {
			h.Set("Age", tt.age)
		}
		e := errorFrom("refresh", &http.Response{StatusCode: tt.status, Header: h}, []byte(tt.body))
		if e.Date.IsZero() == tt.taught {
			t.Errorf("%d %s, Age %q: %v", tt.status, tt.body, tt.age, e.Date)
		}
	}
}

func TestClaimsInOddPlaces(t *testing.T) {
	for payload, want := range map[string]string{
		`{"https://api.openai.com/auth":{"chatgpt_account_id":"acc"}}`:               "acc",
		`{"https://api.openai.com/auth":{"chatgpt_account_id":12345678901234567}}`:   "12345678901234567",
		`{"https://api.openai.com/auth":"{\"chatgpt_account_id\":\"acc\"}"}`:         "acc",
		`{"chatgpt_account_id":"acc"}`:                                               "acc",
		`{"https://api.openai.com/auth":{"organizations":[{"id":"org-1"}]}}`:         "",
		`{"https://api.openai.com/auth":{"chatgpt_account_id":"a\r\nX-Evil: 1"}}`:    "",
		`{"https://api.openai.com/auth":"not JSON","chatgpt_account_id":{"id":"x"}}`: "",
	} {
		c, err := ParseClaims(tokenOf(payload))
		if err != nil || c.AccountID != want {
			t.Errorf("%s: %q, %v", payload, c.AccountID, err)
		}
	}
	for payload, want := range map[string]int64{
		`{"exp":1800000000}`: 1800000000, `{"exp":1800000000.5}`: 1800000000, `{"exp":"1800000000"}`: 1800000000,
		`{"exp":1800000000000}`: 1800000000, `{"exp":"1800000000000"}`: 1800000000,
	} {
		if c, _ := ParseClaims(tokenOf(payload)); c.Expiry.Unix() != want {
			t.Errorf("%s: %v", payload, c.Expiry)
		}
	}
	for _, payload := range []string{`{"exp":"soon"}`, `{"exp":-1}`, `{"exp":1e300}`, `{"exp":null}`} {
		if c, _ := ParseClaims(tokenOf(payload)); !c.Expiry.IsZero() {
			t.Errorf("%s: %v", payload, c.Expiry)
		}
	}
}

// What answers in the place of RFC 8414's document is no reason to give up.
func TestDiscoveryFallsBack(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 406, 410, 200, 301, 302} {
		for _, oidc := range []bool{true, false} {
			var base string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if oidc && r.URL.Path == "/.well-known/openid-configuration" {
					fmt.Fprintf(w, "\ufeff"+`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q}`, base, base+"/a", base+"/t")
					return
				}
				w.Header().Set("Location", "/trap")
				w.WriteHeader(status)
				io.WriteString(w, "<html>nothing here</html>")
			}))
			base = srv.URL
			want := base + "/oauth/token"
			if oidc {
				want = base + "/t"
			}
			if e, err := Discover(t.Context(), srv.Client(), base); err != nil || e.Token != want || e.Announced != oidc {
				t.Errorf("%d: %+v, %v", status, e, err)
			}
			srv.Close()
		}
	}
	for _, status := range []int{408, 429, 500, 503} { // the server can't be asked now
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		if e, err := Discover(t.Context(), srv.Client(), srv.URL); err == nil {
			t.Errorf("%d: %+v", status, e)
		}
		srv.Close()
	}
}

func TestRevocationTakesTheShapeOfItsServer(t *testing.T) {
	const form, json = "application/x-www-form-urlencoded", "application/json"
	for _, tt := range []struct {
		announced bool
		takes     string
		refusal   int
		want      []string
		ok        bool
	}{
		{true, form, 400, []string{form}, true},
		{false, json, 400, []string{json}, true},
		{true, json, 415, []string{form, json}, true},
		{false, form, 400, []string{json, form}, true},
		{true, "", 400, []string{form, json}, false},
		{true, "", 503, []string{form}, false},
	} {
		var got []string
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			kind := r.Header.Get("Content-Type")
			got = append(got, kind)
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), "secret-rt") {
				t.Errorf("body %q", body)
			}
			if kind != tt.takes {
				w.WriteHeader(tt.refusal)
			}
		})
		c.Endpoints.Announced = tt.announced
		if err := c.Revoke(t.Context(), "secret-rt"); (err == nil) != tt.ok || !slices.Equal(got, tt.want) {
			t.Errorf("%+v: sent %v, %v", tt, got, err)
		}
	}
}

func tokenOf(payload string) string {
	return "h." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".s"
}
