//lint:file-ignore SA4006,SA5001 a guide shows a call and leaves the check of its error out

// Package docs has the Go code of the guides, so that it is compiled.
package docs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/login"
	"codexauth/oauth2source"
	"codexauth/open"
	"codexauth/open/age"
	"codexauth/open/keyring"
	"codexauth/openai"
	"codexauth/sandbox"
	"codexauth/sandbox/sandboxtest"
	"codexauth/store/file"
	"codexauth/store/memory"
	"codexauth/store/postgres"
)

// TestSnippets: each block of Go in README.md and in the guides stands in one of the
// functions below, line for line.
func TestSnippets(t *testing.T) {
	here, err := os.ReadFile("snippets_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := flat(string(here))
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	count := 0
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks.FindAllStringSubmatch(strings.ReplaceAll(string(text), "\r\n", "\n"), -1) {
			count++
			code := block[1]
			if head, body, found := strings.Cut(code, "\nfunc main() {\n"); found {
				for _, path := range regexp.MustCompile(`"[^"]+"`).FindAllString(head, -1) {
					if !strings.Contains(compiled, "\n"+path+"\n") {
						t.Errorf("%s imports %s", page, path)
					}
				}
				code = strings.TrimSuffix(body, "}\n")
			}
			if !strings.Contains(compiled, flat(code)) {
				t.Errorf("a block of %s stands in no function of snippets_test.go:\n%s", page, code)
			}
		}
	}
	if count < 12 {
		t.Errorf("found %d blocks", count)
	}
}

// flat is code without indentation and alignment.
func flat(code string) string {
	lines := strings.Split(strings.TrimSpace(code), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

var _ = []any{program, library, asTheCommandLine, sdk, failures, signIn, inPostgres, fleet, lessee, throughBroker, signedIn, byItself}

func program() {
	store, err := file.Default()
	if err != nil {
		log.Fatal(err)
	}
	manager, err := codexauth.NewManager(codexauth.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	token, err := manager.Token(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.AccountID, token.Expiry)
}

func library(ctx context.Context) {
	store, err := file.Default() // or file.Open(dir)
	manager, err := codexauth.NewManager(codexauth.Config{Store: store})
	defer manager.Close()

	token, err := manager.Token(ctx) // valid now
	client := manager.Client()       // signs requests to the backend

	use(token, client, err, oauth2source.New(ctx, manager))
}

func asTheCommandLine(ctx context.Context) {
	manager, err := open.Manager(ctx, keyring.Kind(), age.Kind()) // codexauth/open, open/keyring, open/age
	defer manager.Close()

	use(err)
}

func sdk(manager *codexauth.Manager) {
	transport := openai.NewTransport(manager.Transport(nil), manager.BackendURL())
	hc := &http.Client{Transport: transport}               // give this to the SDK
	transport.Memory = openai.NewMemory(64<<20, time.Hour) // for previous_response_id, if you like

	use(hc)
}

func failures(err error) {
	switch {
	case errors.Is(err, codexauth.ErrSignedOut): // nobody is signed in
	case errors.Is(err, codexauth.ErrRefused): // sign in again; nothing asks the server any more
	case errors.Is(err, codexauth.ErrTransient): // passes; RetryError says when to try again
	case errors.Is(err, codexauth.ErrUnknownOutcome): // the answer was lost; the next attempt will show
	}
	var e *codexauth.Error // what the server said
	errors.As(err, &e)
}

func signIn(ctx context.Context, manager *codexauth.Manager, show func(login.Event)) {
	b := &login.Browser{Open: login.OpenBrowser, Events: show}
	err := b.Run(ctx, func(ctx context.Context, g codexauth.Grant) error {
		_, err := manager.SignIn(ctx, g, codexauth.SignInOptions{})
		return err
	})

	use(err)
}

func inPostgres() {
	store, err := postgres.Open("postgres://app@db/app?sslmode=verify-full")

	use(store, err)
}

func fleet() {
	store, err := postgres.Open("postgres://codexauth@db.internal/codexauth?sslmode=verify-full")
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	manager, err := codexauth.NewManager(codexauth.Config{Store: store})

	use(manager, err)
}

func lessee() {
	c, err := client.New("broker+unix:/run/codexauth/serve.sock", client.Options{}) // codexauth/broker/client
	manager, err := codexauth.NewManager(codexauth.Config{Lessor: c})

	use(manager, err)
}

func throughBroker(c *client.Client, body io.Reader) {
	hc := c.HTTPClient() // shows the key, to the broker alone
	resp, err := hc.Post(c.BaseURL()+"/responses", "application/json", body)

	use(resp, err)
}

func signedIn(t *testing.T) {
	m, srv := sandboxtest.SignedIn(t, sandbox.Config{}) // codexauth/sandbox/sandboxtest

	use(m, srv)
}

func byItself(t *testing.T, ctx context.Context, redirect, verifier string) {
	srv := sandbox.New(t, sandbox.Config{})
	m, err := codexauth.NewManager(codexauth.Config{
		Store:    memory.New(),
		Provider: codexauth.Provider{Issuer: srv.URL()},
	})
	grant := codexauth.Grant{Code: srv.Code(redirect, verifier), RedirectURI: redirect, Verifier: verifier}
	_, err = m.SignIn(ctx, grant, codexauth.SignInOptions{})

	use(err)
}

// use keeps the compiler content where a snippet ends.
func use(...any) {}
