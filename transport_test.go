package codexauth_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"codexauth"
	"codexauth/internal/oauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// backend is a Manager on the fake issuer whose backend is a real server.
func backend(t *testing.T, h http.HandlerFunc) (*codexauth.Manager, *fakeServer, string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s, store := newFake(), memory.New()
	signIn(t, s, store)
	base := srv.URL + "/backend-api/codex"
	m := newManager(t, s, store, func(c *codexauth.Config) { c.Provider.BackendURL = base })
	return m, s, base
}

func TestClientSignsRequestsToTheBackend(t *testing.T) {
	var got http.Header
	m, _, base := backend(t, func(w http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/models?client_version=1", nil)
	req.Header.Set("Authorization", "Bearer mine")
	resp, err := m.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got.Get("Authorization") != "Bearer "+mustToken(t, m).AccessToken.Reveal() || got.Get("chatgpt-account-id") != "acc-1" || got.Get("originator") == "" {
		t.Error("the request was not signed")
	}
	if req.Header.Get("Authorization") != "Bearer mine" {
		t.Error("the caller's request was changed")
	}
}

func TestClientSignsNothingElse(t *testing.T) {
	reached := false
	m, _, base := backend(t, func(w http.ResponseWriter, r *http.Request) { reached = true })
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	origin := strings.TrimSuffix(base, "/backend-api/codex")
	for _, u := range []string{
		elsewhere.URL + "/backend-api/codex/responses", origin, origin + "/backend-api/codexx", origin + "/backend-api",
		base + "/../admin", base + "/%2e%2e/admin", base + "/..%2fadmin", base + "/a;b", base + "//evil", base + "/./x",
		strings.Replace(base, "http://", "http://user:pw@", 1), strings.Replace(base, "http://", "https://", 1) + "/x",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Client().Do(req); !errors.Is(err, codexauth.ErrNotBackend) {
			t.Errorf("%s: %v", u, err)
		}
	}
	if reached {
		t.Error("a request left")
	}
}

func TestClientFollowsNoRedirect(t *testing.T) {
	n := 0
	m, _, base := backend(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		http.Redirect(w, r, "/backend-api/codex/elsewhere", http.StatusTemporaryRedirect)
	})
	if _, err := m.Client().Get(base + "/responses"); !errors.Is(err, codexauth.ErrNotBackend) {
		t.Errorf("error %v", err)
	}
	if n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestClientRecoversFromA401Once(t *testing.T) {
	var bearers []string
	status := func(n int) int { return http.StatusUnauthorized }
	m, s, base := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bearers = append(bearers, r.Header.Get("Authorization")+" "+string(body))
		w.WriteHeader(status(len(bearers)))
		io.WriteString(w, "the backend's own words")
	})
	status = func(n int) int { return map[bool]int{true: 401, false: 200}[n == 1] }
	resp, err := m.Client().Post(base+"/responses", "application/json", strings.NewReader(`{"q":1}`))
	if err != nil || resp.StatusCode != 200 || len(bearers) != 2 || bearers[0] == bearers[1] || !strings.HasSuffix(bearers[1], `{"q":1}`) {
		t.Fatalf("%v, %v, %d requests", resp, err, len(bearers))
	}
	// A backend that refuses everything: its own answer comes back, and no
	// token after token is spent.
	status = func(int) int { return 401 }
	for range 5 {
		resp, err := m.Client().Get(base + "/models")
		if err != nil && !errors.Is(err, codexauth.ErrTransient) {
			t.Fatal(err)
		}
		if err == nil {
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 401 || string(body) != "the backend's own words" {
				t.Errorf("status %d %q", resp.StatusCode, body)
			}
		}
	}
	if n, _ := s.counts(); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	// A body that can't be had again is not sent twice, but the next request
	// has another token.
	m2, _, base2 := backend(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) })
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, base2+"/responses", io.MultiReader(bytes.NewReader([]byte("x"))))
	before := mustToken(t, m2)
	if resp, err := m2.Client().Do(req); err != nil || resp.StatusCode != 401 {
		t.Fatal(resp, err)
	}
	if mustToken(t, m2).AccessToken.Equal(before.AccessToken) {
		t.Error("the refused token is still served")
	}
}

// The whole way against the sandbox: a server that checks what it is sent.
func TestManagerAgainstTheSandbox(t *testing.T) {
	srv := sandbox.New(t, sandbox.Config{})
	store := memory.New()
	granted := srv.Issue(sandbox.User{})
	c := codexauth.Credential{
		Issuer: srv.URL(), ClientID: oauth.OpenAIClientID,
		AccessToken: codexauth.NewSecret(granted.AccessToken), RefreshToken: codexauth.NewSecret(granted.RefreshToken),
	}
	var err error
	if c.Account, err = codexauth.ParseAccount(granted.AccessToken); err != nil {
		t.Fatal(err)
	}
	data, err := codexauth.NewLogin(codexauth.DefaultKey, c).Encode() // expired: its Expiry is zero
	if err != nil {
		t.Fatal(err)
	}
	store.Put(codexauth.DefaultKey, data)
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Provider: codexauth.Provider{Issuer: srv.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ask := func() string {
		t.Helper()
		body := `{"model":"gpt-sandbox","input":[{"role":"user","content":[{"type":"input_text","text":"hello"}]}],"store":false,"stream":true,"include":["reasoning.encrypted_content"]}`
		resp, err := m.Client().Post(srv.BackendURL()+"/responses", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v: %s", resp.StatusCode, err, answer)
		}
		return string(answer)
	}
	if answer := ask(); !strings.Contains(answer, "response.completed") {
		t.Errorf("answer %s", answer)
	}
	srv.ExpireAccessTokens()
	ask()
	if n := srv.Counters(); n.Refreshes != 2 || n.Reuses != 0 {
		t.Errorf("counters %+v", n)
	}
	if err := m.SignOut(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if n := srv.Counters(); n.Revocations != 1 {
		t.Errorf("counters %+v", n)
	}
}
