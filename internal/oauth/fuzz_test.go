package oauth

import (
	"net/http"
	"strings"
	"testing"
)

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","refresh_token":"r","expires_in":3600}`))
	f.Add([]byte(`{"access_token":"a","refresh_tok`))
	f.Add([]byte(`<html>`))
	f.Add([]byte(`{"expires_in":1e400,"access_token":["a"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := parseAnswer(body)
		if err != nil {
			return
		}
		if a.ExpiresIn < 0 {
			t.Error("a negative life")
		}
		for _, token := range []string{a.AccessToken, a.IDToken} {
			if strings.ContainsAny(token, "\r\n\x00 ") {
				t.Errorf("token %q would break a header", token)
			}
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	f.Add(401, []byte(`{"error":{"code":"refresh_token_reused","message":"m"}}`))
	f.Add(400, []byte(`{"error":"invalid_grant","error_description":"\u001b[2J"}`))
	f.Add(403, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := errorFrom("refresh", &http.Response{StatusCode: status, Header: http.Header{}}, body)
		if e.Class == Permanent && status != 401 && status != 400 {
			t.Errorf("status %d condemns a token", status)
		}
		if strings.ContainsAny(e.Error(), "\x1b\r\n\x00") {
			t.Errorf("control characters in %q", e.Error())
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add("a.eyJleHAiOjF9.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := ParseClaims(token); err == nil && c.Expiry.Year() > 10000 {
			t.Errorf("expiry %v can't be written as RFC 3339", c.Expiry)
		}
	})
}
