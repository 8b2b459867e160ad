package codexcli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"codexauth"
)

// jwt is a token that tells an account and nothing else.
func jwt(account string) string {
	part := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"https://api.openai.com/auth":{"chatgpt_account_id":%q}}`, account)
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + "." + part([]byte("sig"))
}

func login() codexauth.Credential {
	return codexauth.Credential{
		Issuer: "https://issuer.example", ClientID: "client",
		AccessToken: codexauth.NewSecret(jwt("acc")), RefreshToken: codexauth.NewSecret("rt_1"), IDToken: codexauth.NewSecret(jwt("id")),
		LastRefresh: time.Date(2026, 7, 1, 10, 31, 0, 0, time.UTC), Account: codexauth.Account{ID: "acc"},
	}
}

func TestParseAuth(t *testing.T) {
	tokens := `"tokens":{"id_token":"i","access_token":"a","refresh_token":"r","account_id":"acc"}`
	for name, tt := range map[string]struct {
		data string
		want error
		says string
	}{
		"usual":           {`{"auth_mode":"chatgpt","OPENAI_API_KEY":null,` + tokens + `}`, nil, ""},
		"byte order mark": {"\ufeff\r\n{" + tokens + `}`, nil, ""},
		"last_refresh":    {`{` + tokens + `,"last_refresh":1790000000}`, nil, ""},
		"no mode":         {`{` + tokens + `}`, nil, ""},
		"old, with a key": {`{"OPENAI_API_KEY":"sk-x",` + tokens + `}`, nil, ""},
		"unknown fields":  {`{"x":[1],` + tokens + `,"last_refresh":"yesterday"}`, nil, ""},
		"api key":         {`{"OPENAI_API_KEY":"sk-planted"}`, ErrAPIKey, ""},
		"api key mode":    {`{"auth_mode":"apikey","OPENAI_API_KEY":"sk-planted",` + tokens + `}`, ErrAPIKey, ""},
		"kept by others":  {`{"auth_mode":"chatgptAuthTokens",` + tokens + `}`, ErrNoRefreshToken, ""},
		"another mode":    {`{"auth_mode":"agentIdentity",` + tokens + `}`, ErrMalformed, "agentIdentity"},
		"null":            {`null`, ErrNoLogin, ""},
		"empty object":    {`{}`, ErrNoLogin, ""},
		"null tokens":     {`{"auth_mode":"chatgpt","tokens":null}`, ErrNoLogin, ""},
		"no refresh":      {`{"tokens":{"access_token":"a","refresh_token":""}}`, ErrNoRefreshToken, ""},
		"no access":       {`{"tokens":{"refresh_token":"planted"}}`, ErrNoLogin, ""},
		"empty":           {" \n", ErrMalformed, "empty"},
		"torn":            {`{"auth_mode":"chatgpt",` + tokens[:60], ErrMalformed, "cut off"},
		"a list":          {`["planted"]`, ErrMalformed, "the whole"},
		"wrong type":      {`{"tokens":{"access_token":12345678}}`, ErrMalformed, "access_token"},
		"line in a token": {`{"tokens":{"access_token":"planted\nplanted","refresh_token":"r"}}`, ErrMalformed, "characters"},
	} {
		t.Run(name, func(t *testing.T) {
			auth, err := ParseAuth([]byte(tt.data))
			if !errors.Is(err, tt.want) || err == nil != (tt.want == nil) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				if auth.Login.AccessToken.Reveal() != "a" || auth.Login.RefreshToken.Reveal() != "r" || auth.Login.IDToken.Reveal() != "i" || auth.Login.Account.ID != "acc" {
					t.Error("the login is not the file's")
				}
				return
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "planted") || strings.Contains(err.Error(), "1234") {
				t.Errorf("it says %q", err)
			}
		})
	}
}

// An issuer in the file is told and never becomes the login's.
func TestParseAuthIssuer(t *testing.T) {
	auth, err := ParseAuth([]byte(`{"tokens":{"access_token":"a","refresh_token":"r","oauth_provenance":{"issuer":"https://evil.example","client_id":"c"}}}`))
	if err != nil || auth.Issuer != "https://evil.example" || auth.ClientID != "c" {
		t.Fatalf("%v, issuer %q, client %q", err, auth.Issuer, auth.ClientID)
	}
	if auth.Login.Issuer != "" || auth.Login.ClientID != "" {
		t.Error("the login is bound to what the file says")
	}
}

func TestFormatAuth(t *testing.T) {
	old := []byte(`{"auth_mode":"chatgpt","OPENAI_API_KEY":"sk-kept","theirs":{"x":1},"tokens":{"refresh_token":"old","login_owner_id":"old"}}`)
	data, err := FormatAuth(login(), old)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	tokens := file["tokens"].(map[string]any)
	if file["OPENAI_API_KEY"] != "sk-kept" || fmt.Sprint(file["theirs"]) != "map[x:1]" || strings.Contains(string(data), "old") {
		t.Errorf("not what was to be kept and what not: %v", file)
	}
	if file["last_refresh"] != "2026-07-01T10:31:00Z" || fmt.Sprint(tokens["oauth_provenance"]) != "map[client_id:client issuer:https://issuer.example]" {
		t.Errorf("%v", file)
	}
	auth, err := ParseAuth(data)
	if err != nil {
		t.Fatal(err)
	}
	want := login()
	if got := auth.Login; !got.RefreshToken.Equal(want.RefreshToken) || !got.AccessToken.Equal(want.AccessToken) ||
		!got.IDToken.Equal(want.IDToken) || !got.LastRefresh.Equal(want.LastRefresh) || got.Account.ID != want.Account.ID {
		t.Error("a login that is written and read is another")
	}
}

func TestFormatAuthWithoutRefreshToken(t *testing.T) {
	c := login()
	c.RefreshToken, c.IDToken = codexauth.Secret{}, codexauth.Secret{}
	for _, old := range []string{"", "null", "[1]", `{"auth`} {
		data, err := FormatAuth(c, []byte(old))
		if err != nil {
			t.Fatal(err)
		}
		var file authJSON
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		if text(file.Mode) != "chatgptAuthTokens" || file.Tokens.Refresh != "" || file.Tokens.ID != c.AccessToken.Reveal() || file.Tokens.Provenance != nil {
			t.Errorf("over %q: mode %s", old, text(file.Mode))
		}
		if HoldsLogin(data) {
			t.Error("what was exported before must not be overwritten")
		}
	}
}

func TestHoldsLogin(t *testing.T) {
	for data, want := range map[string]bool{
		`{}`: false, `{"OPENAI_API_KEY":null,"tokens":null}`: false, `null`: false,
		`{"auth_mode":"chatgptAuthTokens","tokens":{"access_token":"a"}}`: false,
		`{"tokens":{"refresh_token":"r"}}`:                                true,
		`{"OPENAI_API_KEY":"sk"}`:                                         true,
		`{"auth_mode":"agentIdentity"}`:                                   true,
		`{"tokens":`:                                                      true,
		``:                                                                true,
	} {
		if got := HoldsLogin([]byte(data)); got != want {
			t.Errorf("HoldsLogin(%s) = %v", data, got)
		}
	}
}

func FuzzAuthFile(f *testing.F) {
	whole, err := FormatAuth(login(), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	for _, seed := range []string{
		"", "null", "[]", `{"OPENAI_API_KEY":"sk-x"}`, `{"tokens":{"access_token":"a.b.c","refresh_token":"r"}}`,
		`{"tokens":{"access_token":"a","refresh_token":"r","oauth_provenance":{"issuer":"https://e.example"}},"x":{"tokens":1}}`,
		`{"auth_mode":"chatgptAuthTokens","tokens":{}}`, `{"TOKENS":{"ACCESS_TOKEN":"a","refresh_token":"r"}}`,
		`{"tokens":{"access_token":"\u0000","refresh_token":"r"}}`, "\ufeff{}", `{"tokens":{"refresh_token":"r"},"tokens":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		auth, err := ParseAuth(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("an error with control characters: %q", err)
			}
			return
		}
		if auth.Login.Issuer != "" || auth.Login.RefreshToken.IsZero() || auth.Login.AccessToken.IsZero() {
			t.Error("half a login, or one with an issuer")
		}
		if !HoldsLogin(data) {
			t.Error("a file that can be imported may be overwritten")
		}
		again, err := FormatAuth(auth.Login, data)
		if err != nil {
			t.Fatal(err)
		}
		same, err := ParseAuth(again)
		if err != nil || !same.Login.RefreshToken.Equal(auth.Login.RefreshToken) || !same.Login.AccessToken.Equal(auth.Login.AccessToken) {
			t.Errorf("what was read and written can't be read again: %v", err)
		}
	})
}
