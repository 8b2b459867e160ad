package codexauth_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"codexauth"
	"codexauth/internal/oauth"
)

func TestParseAccount(t *testing.T) {
	token := jwt(map[string]any{
		"https://api.openai.com/auth": map[string]any{
			"chatgpt_account_id": "acc-9", "chatgpt_plan_type": "a plan nobody knows",
			"chatgpt_user_id": "user-7", "chatgpt_account_is_fedramp": true,
		},
		"https://api.openai.com/profile": map[string]any{"email": "ada@example.com"},
		"email":                          "other@example.com",
	})
	got, err := codexauth.ParseAccount(token)
	want := codexauth.Account{ID: "acc-9", Email: "ada@example.com", Plan: "a plan nobody knows", UserID: "user-7", FedRAMP: true}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseAccountRefusals(t *testing.T) {
	enc := base64.RawURLEncoding.EncodeToString
	for token, want := range map[string]error{
		"":                                      oauth.ErrJWTParts,
		"opaque":                                oauth.ErrJWTParts,
		"a.b":                                   oauth.ErrJWTParts,
		"a.b.c.d":                               oauth.ErrJWTParts,
		"a..c":                                  oauth.ErrJWTParts,
		"a.!!!.c":                               oauth.ErrJWTEncoding,
		"a." + enc([]byte("{}")) + "=.c":        oauth.ErrJWTEncoding,
		"a." + enc([]byte("no json")) + ".c":    oauth.ErrJWTJSON,
		"a." + enc([]byte("null")) + ".c":       oauth.ErrJWTJSON,
		"a." + enc([]byte("[1]")) + ".c":        oauth.ErrJWTJSON,
		"a." + enc([]byte(`{"sub":"x"}`)) + ".": oauth.ErrNoAccountID,
		jwt(map[string]any{"https://api.openai.com/auth": "text"}):                                     oauth.ErrNoAccountID,
		jwt(map[string]any{"https://api.openai.com/auth": map[string]any{"chatgpt_account_id": true}}): oauth.ErrNoAccountID,
	} {
		_, err := codexauth.ParseAccount(token)
		for _, sentinel := range []error{oauth.ErrJWTParts, oauth.ErrJWTEncoding, oauth.ErrJWTJSON, oauth.ErrNoAccountID} {
			if errors.Is(err, sentinel) != (sentinel == want) {
				t.Errorf("ParseAccount(%q) = %v, want %v", token, err, want)
			}
		}
	}
	if !strings.Contains(oauth.ErrNoAccountID.Error(), "chatgpt_account_id") {
		t.Error("the message does not name the claim")
	}
}
