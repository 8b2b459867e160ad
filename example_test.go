package codexauth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// playground is a Manager that is signed in at a sandbox. A program of yours
// uses file.Default() and leaves Provider out.
func playground() (*sandbox.Server, *codexauth.Manager) {
	srv, err := sandbox.Start(sandbox.Config{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := codexauth.NewManager(codexauth.Config{
		Store:    memory.New(),
		Provider: codexauth.Provider{Issuer: srv.URL()},
	})
	if err != nil {
		log.Fatal(err)
	}
	const redirect, verifier = "http://localhost:1455/auth/callback", "a-verifier-of-at-least-forty-three-characters"
	grant := codexauth.Grant{Code: srv.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}
	if _, err := m.SignIn(context.Background(), grant, codexauth.SignInOptions{}); err != nil {
		log.Fatal(err)
	}
	return srv, m
}

func ExampleManager_Token() {
	srv, manager := playground()
	defer srv.Close()
	defer manager.Close()

	token, err := manager.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.AccessToken, token.AccountID != "")
	// Output: [redacted] true
}

func ExampleManager_Client() {
	srv, manager := playground()
	defer srv.Close()
	defer manager.Close()

	body := `{"model":"gpt-sandbox","input":[{"role":"user","content":[{"type":"input_text","text":"Hello"}]}],
		"store":false,"stream":true,"include":["reasoning.encrypted_content"]}`
	resp, err := manager.Client().Post(srv.BackendURL()+"/responses", "application/json", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	events, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, strings.Contains(string(events), "response.completed"), err)
	// Output: 200 true <nil>
}

// Why there is no token, and what to do about it.
func ExampleManager_Token_errors() {
	srv, manager := playground()
	defer srv.Close()
	if err := manager.SignOut(context.Background(), false); err != nil {
		log.Fatal(err)
	}

	_, err := manager.Token(context.Background())
	var refused *codexauth.RefusedError
	var retry *codexauth.RetryError
	switch {
	case errors.As(err, &refused):
		fmt.Println("sign in again: the server says", refused.Code)
	case errors.Is(err, codexauth.ErrSignedOut):
		fmt.Println("nobody is signed in")
	case errors.As(err, &retry):
		fmt.Println("try again at", retry.At)
	}
	// Output: nobody is signed in
}

// For a client that is no http.Client, such as one of WebSockets. What is not for
// the backend is an error of Manager.Client; here the program has to look itself.
func ExampleToken_SetHeaders() {
	srv, manager := playground()
	defer srv.Close()
	defer manager.Close()

	token, err := manager.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	header := http.Header{}
	token.SetHeaders(header)
	_, err = manager.Client().Get("https://elsewhere.example/")
	fmt.Println(header.Get("Authorization") != "", errors.Is(err, codexauth.ErrNotBackend))
	// Output: true true
}

// A program that stays tells its operator what happens to the login.
func ExampleManager_Watch() {
	tell := func(e codexauth.Event) {
		switch e.Kind {
		case codexauth.EventRefused:
			log.Printf("%s: sign in again: %v", e.Key, e.Err)
		case codexauth.EventBackingOff, codexauth.EventUnknownOutcome:
			log.Printf("%s: no new token until %v: %v", e.Key, e.Until, e.Err)
		case codexauth.EventStoreAway:
			log.Printf("%s: look after the store: %v", e.Key, e.Err)
		case codexauth.EventStoreBack, codexauth.EventRefreshed, codexauth.EventSignedIn, codexauth.EventSignedOut:
			log.Printf("%s: %s", e.Key, e.Kind)
		}
	}
	manager, err := codexauth.NewManager(codexauth.Config{Store: memory.New(), OnEvent: tell})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	// Beside what the program does with the manager, until it ends:
	go manager.Watch(context.Background(), nil)
}
