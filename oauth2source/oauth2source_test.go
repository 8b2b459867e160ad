package oauth2source_test

import (
	"errors"
	"testing"

	"codexauth"
	"codexauth/oauth2source"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

func TestNew(t *testing.T) {
	srv := sandbox.New(t, sandbox.Config{AutoApprove: true})
	m, err := codexauth.NewManager(codexauth.Config{Store: memory.New(), Provider: codexauth.Provider{Issuer: srv.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := oauth2source.New(t.Context(), m).Token(); !errors.Is(err, codexauth.ErrSignedOut) {
		t.Fatalf("error %v", err)
	}
	const redirect, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"
	grant := codexauth.Grant{Code: srv.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}
	if _, err := m.SignIn(t.Context(), grant, codexauth.SignInOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := oauth2source.New(t.Context(), m).Token()
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if token.AccessToken != want.AccessToken.Reveal() || !token.Valid() || token.RefreshToken != "" || token.Extra("account_id") != want.AccountID {
		t.Error("the token is not the Manager's")
	}
}
