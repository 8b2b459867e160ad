package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/oauth"
	"codexauth/sandbox"
)

// A whole sign-in: Open's link leads to the authorization server, which sends
// the browser back, and the code is good with its verifier.
func TestSignIn(t *testing.T) {
	server := sandbox.New(t, sandbox.Config{AutoApprove: true})
	for _, host := range []string{"", "127.0.0.1"} {
		t.Run("redirect host "+host, func(t *testing.T) {
			noLeak(t)
			provider := codexauth.Provider{Issuer: server.URL()}
			page := make(chan reply, 1)
			b := &Browser{Provider: provider, RedirectHost: host, Open: func(u string) error {
				page <- browse(t, u)
				return nil
			}}
			var answer *oauth.Answer
			f := begin(t, t.Context(), b, func(ctx context.Context, g codexauth.Grant) error {
				e, err := oauth.Locate(ctx, nil, provider.Issuer)
				if err != nil {
					return err
				}
				c := oauth.Client{HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, Endpoints: e, ClientID: oauth.OpenAIClientID}
				answer, err = c.Exchange(ctx, oauth.Grant(g))
				return err
			})
			if err := f.wait(); err != nil {
				t.Fatal(err)
			}
			if answer.AccessToken == "" || answer.RefreshToken == "" {
				t.Error("the exchange brought no tokens")
			}
			mustContain(t, (<-page).body, "You are signed in")
			if want := fmt.Sprintf("http://%s:%d/auth/callback", b.hostOrDefault(), f.ready.Port); f.ready.RedirectURI != want {
				t.Errorf("redirect URI %s, want %s", f.ready.RedirectURI, want)
			}
		})
	}
}

func (b *Browser) hostOrDefault() string {
	host, _ := b.redirectHost()
	return host
}

func TestAuthorizationRequest(t *testing.T) {
	provider := codexauth.Provider{Issuer: issuer(t, http.NotFound), ClientID: "client-x", Scopes: []string{"openid", "a.b"}}
	var grant codexauth.Grant
	f := begin(t, t.Context(), &Browser{Provider: provider, Workspace: "ws-1, ws-2"}, func(_ context.Context, g codexauth.Grant) error {
		grant = g
		return nil
	})
	browse(t, f.right("abc"))
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(f.ready.URL)
	if got := u.Scheme + "://" + u.Host + u.Path; got != provider.Issuer+"/oauth/authorize" {
		t.Errorf("the endpoint is %s", got)
	}
	q := u.Query()
	sum := sha256.Sum256([]byte(grant.Verifier))
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "client-x", "scope": "openid a.b", "redirect_uri": f.ready.RedirectURI,
		"code_challenge_method": "S256", "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]),
		"allowed_workspace_id": "ws-1,ws-2", "originator": "codex_cli_rs",
		"id_token_add_organizations": "true", "codex_cli_simplified_flow": "true",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if len(f.state) < 43 || len(grant.Verifier) < 43 || grant.Code != "abc" || grant.RedirectURI != f.ready.RedirectURI {
		t.Errorf("state of %d, verifier of %d characters, code %q for %q", len(f.state), len(grant.Verifier), grant.Code, grant.RedirectURI)
	}
	mustNotContain(t, f.ready.URL, grant.Verifier)
}

func TestDefaultsAreOpenAI(t *testing.T) {
	b := &Browser{}
	openAI, err := codexauth.Provider{}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.authorizeURL(openAI, oauth.DefaultEndpoints(oauth.OpenAIIssuer), testAttempt(), oauth.NewPKCE())
	if err != nil {
		t.Fatal(err)
	}
	mustContain(t, u, "https://auth.openai.com/oauth/authorize?", "client_id="+oauth.OpenAIClientID, "scope=openid%20profile%20email%20offline_access")
	mustNotContain(t, u, "allowed_workspace_id")
}

func TestRedirectHostIsCheckedFirst(t *testing.T) {
	b := &Browser{RedirectHost: "0.0.0.0", Provider: codexauth.Provider{Issuer: issuer(t, http.NotFound)}}
	if err := b.Run(t.Context(), accept); err == nil || !strings.Contains(err.Error(), `"0.0.0.0"`) {
		t.Errorf("got %v", err)
	}
}

func TestListenersAreUpBeforeAnythingIsShown(t *testing.T) {
	b := &Browser{Provider: codexauth.Provider{Issuer: issuer(t, http.NotFound)}, Ports: []int{0}}
	ctx, cancel := context.WithCancel(t.Context())
	b.Events = func(e Event) {
		r := e.(Ready)
		hosts := []string{"localhost", "127.0.0.1"}
		if c, err := net.Dial("tcp6", fmt.Sprintf("[::1]:%d", r.Port)); err == nil {
			c.Close()
			hosts = append(hosts, "[::1]")
		}
		for _, host := range hosts {
			if got := get(t, fmt.Sprintf("http://%s:%d/favicon.ico", host, r.Port), ""); got.status != http.StatusNoContent {
				t.Errorf("%s answers %d", host, got.status)
			}
		}
		cancel()
	}
	if err := b.Run(ctx, accept); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsShownAndWrongAnswersAreSurvived(t *testing.T) {
	noLeak(t)
	f := begin(t, t.Context(), &Browser{}, accept)
	for _, query := range []string{"code=planted&state=planted", "code=a&code=b&state=" + f.state} {
		r := get(t, f.callback(query), "")
		if r.status != http.StatusBadRequest {
			t.Errorf("status %d", r.status)
		}
		mustNotContain(t, r.body, "planted", f.state)
		if e := f.rejected(); e.Pasted || strings.Contains(e.Err.Error(), "planted") {
			t.Errorf("told %v", e)
		}
	}
	if r := send(t, "POST", f.right("x"), ""); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", r.status)
	}
	if r := get(t, f.right("x"), "evil.example"); r.status != http.StatusMisdirectedRequest {
		t.Errorf("other Host: status %d", r.status)
	}
	if r := get(t, f.callback("code="+strings.Repeat("x", 1100<<10)), ""); r.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a huge query: status %d", r.status)
	}
	for range 20 {
		dial(t, f.ready.Port, "")
		dial(t, f.ready.Port, "GET /auth/ca")
	}
	mustContain(t, browse(t, f.right("good")).body, "You are signed in")
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
}

func TestReloadIsNoSecondExchange(t *testing.T) {
	noLeak(t)
	var exchanges atomic.Int32
	release := make(chan struct{})
	f := begin(t, t.Context(), &Browser{}, func(_ context.Context, g codexauth.Grant) error {
		exchanges.Add(1)
		<-release
		return nil
	})
	for range 3 {
		r := get(t, f.right("abc"), "")
		if r.status != http.StatusSeeOther || r.header.Get("Location") != donePath {
			t.Errorf("status %d to %q", r.status, r.header.Get("Location"))
		}
		checkHeaders(t, r.header)
	}
	close(release)
	for range 2 {
		mustContain(t, browse(t, f.right("abc")).body, "You are signed in")
	}
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
	if n := exchanges.Load(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

func TestDeniedAndRefused(t *testing.T) {
	finish := func(context.Context, codexauth.Grant) error {
		t.Error("finish was called without a code")
		return nil
	}
	f := begin(t, t.Context(), &Browser{}, finish)
	if r := get(t, f.callback("error=access_denied"), ""); r.status != http.StatusBadRequest {
		t.Errorf("an error without state: status %d", r.status)
	}
	mustContain(t, browse(t, f.callback("error=access_denied&error_description=no+%3Ci%3E&state="+f.state)).body, "Access was not granted", "no &lt;i&gt;")
	if err := f.wait(); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v, want ErrDenied", err)
	}

	f = begin(t, t.Context(), &Browser{}, finish)
	browse(t, f.callback("error=invalid_scope&error_description=bad%1b%5b31m&state="+f.state))
	var refused *AuthorizationError
	if err := f.wait(); !errors.As(err, &refused) || errors.Is(err, ErrDenied) {
		t.Fatalf("got %v", err)
	}
	if *refused != (AuthorizationError{"invalid_scope", "bad[31m"}) {
		t.Errorf("got %+v", refused)
	}
}

func TestFailedFinishIsShown(t *testing.T) {
	broken := errors.New("the disk is full")
	f := begin(t, t.Context(), &Browser{}, func(context.Context, codexauth.Grant) error { return broken })
	r := browse(t, f.right("abc"))
	mustContain(t, r.body, "The sign-in failed", "the disk is full")
	mustNotContain(t, r.body, "You are signed in")
	if err := f.wait(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestIssuerIsRequiredWhereAnnounced(t *testing.T) {
	var self string
	self = issuer(t, func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": self, "authorization_endpoint": self + "/a", "token_endpoint": self + "/t",
			"authorization_response_iss_parameter_supported": true,
		})
	})
	f := begin(t, t.Context(), &Browser{Provider: codexauth.Provider{Issuer: self}}, accept)
	for _, iss := range []string{"", "&iss=https%3A%2F%2Fother.example"} {
		if r := get(t, f.right("abc")+iss, ""); r.status != http.StatusBadRequest {
			t.Errorf("iss %q: status %d", iss, r.status)
		}
	}
	browse(t, f.right("abc")+"&iss="+url.QueryEscape(self))
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
}

func TestTimeout(t *testing.T) {
	noLeak(t)
	f := begin(t, t.Context(), &Browser{Timeout: 20 * time.Millisecond}, accept)
	if err := f.wait(); !errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	noLeak(t)
	cause := errors.New("the person pressed Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := begin(t, ctx, &Browser{}, accept)
	dial(t, f.ready.Port, "") // an idle connection does not hold up the end
	cancel(cause)
	begun := time.Now()
	if err := f.wait(); !errors.Is(err, cause) || errors.Is(err, ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v to end", took)
	}
}

func TestFinishIsGivenTheCallersContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := begin(t, ctx, &Browser{Timeout: time.Hour}, func(ctx context.Context, _ codexauth.Grant) error {
		if _, limited := ctx.Deadline(); limited {
			t.Error("the time-out covers finish")
		}
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	mustContain(t, browse(t, f.right("abc")).body, "The sign-in failed")
	if err := f.wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOpenThatFailsEndsNothing(t *testing.T) {
	noLeak(t)
	broken := errors.New("no display")
	var link atomic.Value
	f := begin(t, t.Context(), &Browser{Open: func(u string) error { link.Store(u); return broken }}, accept)
	if e := <-f.events; e != (Opened{broken}) {
		t.Errorf("told %v", e)
	}
	u := link.Load().(string)
	mustNotContain(t, u, f.state, "challenge")
	if r := get(t, u, ""); r.status != http.StatusSeeOther || r.header.Get("Location") != f.ready.URL {
		t.Errorf("the link leads to %q (status %d)", r.header.Get("Location"), r.status)
	}
	browse(t, f.right("abc"))
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
}

// What is told, returned and shown never holds the code, the state or the verifier.
func TestSecretsStayInside(t *testing.T) {
	var verifier string
	const code = "planted-code-that-nobody-may-see"
	f := begin(t, t.Context(), &Browser{}, func(_ context.Context, g codexauth.Grant) error {
		verifier = g.Verifier
		return fmt.Errorf("exchange with %s and %s was refused", g.Code, g.Verifier)
	})
	get(t, f.callback("code="+code+"&state=x"+f.state), "")
	page := browse(t, f.right(code))
	f.wait()
	said := page.body + fmt.Sprint(page.header)
	for len(f.events) > 0 {
		said += fmt.Sprintf("%+v\n", <-f.events)
	}
	mustNotContain(t, said, code, f.state, verifier)
	mustContain(t, page.body, "exchange with [redacted]")
}
