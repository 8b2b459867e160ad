package main

import (
	"strings"
	"testing"

	"codexauth/examples/internal/try"
	"codexauth/oauth2source"
)

func TestTokenSource(t *testing.T) {
	m, _ := try.SignedIn(t)
	token, err := m.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := describe(oauth2source.New(t.Context(), m))
	if err != nil || !strings.HasPrefix(text, "Bearer token of "+token.AccountID+", until ") {
		t.Errorf("%q, %v", text, err)
	}
}
