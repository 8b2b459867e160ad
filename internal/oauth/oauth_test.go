package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"codexauth/internal/rig/freeport"
)

func client(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &Client{HTTP: srv.Client(), Endpoints: DefaultEndpoints(srv.URL), ClientID: "client"}
}

func TestRefreshSendsTheForm(t *testing.T) {
	var got url.Values
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got = r.PostForm
		if r.URL.Path != "/oauth/token" || r.URL.RawQuery != "" || r.Method != http.MethodPost {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		io.WriteString(w, `{"access_token":"a","expires_in":"3600","unknown":[1,{"x":2}]} trailing`)
	})
	a, err := c.Refresh(t.Context(), "rt", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.AccessToken != "a" || a.RefreshToken != "" || a.ExpiresIn != time.Hour || a.Date.IsZero() {
		t.Errorf("answer %+v", a)
	}
	want := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"rt"}, "client_id": {"client"}}
	if got.Encode() != want.Encode() {
		t.Errorf("form %v", got)
	}
}

// Every row of what an answer to a refresh can mean.
func TestRefreshErrors(t *testing.T) {
	nested := func(code string) string { return `{"error":{"code":"` + code + `","message":"words","type":"t"}}` }
	for _, tt := range []struct {
		status int
		body   string
		class  Class
		code   string
		is     []error
	}{
		{401, nested("refresh_token_expired"), Permanent, "refresh_token_expired", []error{ErrPermanent}},
		{401, nested("Refresh_Token_REUSED"), Permanent, "refresh_token_reused", []error{ErrPermanent}},
		{401, nested("refresh_token_invalidated"), Permanent, "refresh_token_invalidated", []error{ErrPermanent}},
		{401, nested("app_session_terminated"), Permanent, "app_session_terminated", []error{ErrPermanent}},
		{401, `{"error":"token_expired"}`, Permanent, "token_expired", nil},
		{401, `{"code":"token_expired","message":"m"}`, Permanent, "token_expired", nil},
		{401, `{"error":"token_revoked"}`, Permanent, "token_revoked", nil},
		{401, `{"error":"invalid_grant"}`, Permanent, "invalid_grant", nil},
		// JSON that is no verdict: a gateway's, a proxy's, the client's fault.
		{401, `{"message":"Unauthorized"}`, Transient, "", []error{ErrTransient}},
		{401, `{"detail":"no"}`, Transient, "", []error{ErrTransient}},
		{401, `{"error":"Unauthorized"}`, Transient, "unauthorized", nil},
		{401, `{"code":401,"message":"m"}`, Transient, "", nil},
		{401, `{"error":"invalid_client"}`, Transient, "invalid_client", nil},
		{401, `{"error":"temporarily_unavailable"}`, Transient, "temporarily_unavailable", nil},
		{401, `{"error":"ip_blocked"}`, Transient, "ip_blocked", nil},
		{401, `{"error":"nobody_knows_this_one"}`, Transient, "nobody_knows_this_one", nil},
		{400, `{"error":"temporarily_unavailable"}`, Transient, "temporarily_unavailable", []error{ErrTransient}},
		{400, `{"error":"slow_down"}`, Transient, "slow_down", nil},
		{400, `{"error":"server_error"}`, Unknown, "server_error", nil},
		{400, `{"error":"nobody_knows_this_one"}`, Invalid, "nobody_knows_this_one", nil},
		{400, "\ufeff \r\n" + `{"error":"bad_refresh_token"}`, Permanent, "bad_refresh_token", nil},
		{403, nested("refresh_token_reused"), Invalid, "refresh_token_reused", nil},
		// A polite error is the same error with 400.
		{200, `{"error":"bad_refresh_token"}`, Permanent, "bad_refresh_token", []error{ErrPermanent}},
		{200, nested("refresh_token_reused"), Permanent, "refresh_token_reused", []error{ErrPermanent}},
		{200, `{"error":"invalid_client"}`, Invalid, "invalid_client", nil},
		{200, `{"error":"temporarily_unavailable"}`, Transient, "temporarily_unavailable", nil},
		{400, `{"error":"invalid_grant","error_description":"words"}`, Permanent, "invalid_grant", []error{ErrPermanent}},
		{400, nested("refresh_token_reused"), Permanent, "refresh_token_reused", []error{ErrPermanent}},
		{400, `{"error":"invalid_client"}`, Invalid, "invalid_client", []error{ErrInvalid}},
		{403, nested("unsupported_country"), Invalid, "unsupported_country", []error{ErrInvalid}},
		{401, "<html>sign in to the wifi</html>", Transient, "", []error{ErrTransient}},
		{403, "<html>blocked</html>", Transient, "", []error{ErrTransient}},
		{401, `{}`, Transient, "", []error{ErrTransient}},
		{401, `{"error":{"code":"refresh_tok`, Transient, "", []error{ErrTransient}},
		{302, "", Transient, "", []error{ErrTransient}},
		{429, `{"error":"slow"}`, Transient, "slow", []error{ErrTransient, ErrRateLimited}},
		{500, `{"error":"oops"}`, Unknown, "oops", []error{ErrUnknown}},
		{502, "<html>", Unknown, "", []error{ErrUnknown}},
		{200, "<html>", Unknown, "", []error{ErrUnknown}},
		{200, "", Unknown, "", []error{ErrUnknown}},
		{200, `{"access_tok`, Unknown, "", []error{ErrUnknown}},
		{200, `{"token_type":"Bearer"}`, Unknown, "", []error{ErrUnknown}},
		{200, `{"access_token":"a b"}`, Unknown, "", []error{ErrUnknown}},
	} {
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(tt.status)
			io.WriteString(w, tt.body)
		})
		_, err := c.Refresh(t.Context(), "rt-secret", nil)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%d %s: error %v", tt.status, tt.body, err)
			continue
		}
		if e.Class != tt.class || e.Code != tt.code || e.Spent != (tt.status == 200 && tt.code == "") {
			t.Errorf("%d %s: class %v, code %q, spent %v", tt.status, tt.body, e.Class, e.Code, e.Spent)
		}
		for _, target := range tt.is {
			if !errors.Is(err, target) {
				t.Errorf("%d %s: %v is not %v", tt.status, tt.body, err, target)
			}
		}
		if unclear := tt.status == 401 && tt.code == "nobody_knows_this_one"; e.Unclear != unclear {
			t.Errorf("%d %s: unclear %v", tt.status, tt.body, e.Unclear)
		}
	}
}

func TestRefreshWithoutAnAnswer(t *testing.T) {
	c := &Client{Endpoints: DefaultEndpoints(fmt.Sprint("http://127.0.0.1:", freeport.One(t)))}
	if _, err := c.Refresh(t.Context(), "rt", nil); !errors.Is(err, ErrTransient) || errors.Is(err, ErrUnknown) {
		t.Errorf("connection refused: %v", err)
	}
	c = client(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	if _, err := c.Refresh(t.Context(), "rt", nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("cut after the request: %v", err)
	}
	hang := make(chan struct{})
	c = client(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(hang)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-hang; cancel() }()
	if _, err := c.Refresh(ctx, "rt", nil); !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("no answer in time: %v", err)
	}
}

func TestGateIsAskedBeforeTheTokenLeaves(t *testing.T) {
	requests := 0
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) > 0 {
			requests++
		}
	})
	late := errors.New("too late")
	_, err := c.Refresh(t.Context(), "rt", func() error { return late })
	if !errors.Is(err, ErrFence) || !errors.Is(err, late) || !errors.Is(err, ErrTransient) {
		t.Errorf("error %v", err)
	}
	if requests != 0 {
		t.Error("the token left all the same")
	}
}

func TestNoTransportCanSendTheTokenTwice(t *testing.T) {
	n := 0
	twice := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.GetBody != nil {
			t.Error("the body can be had again")
		}
		for range 2 {
			if b, _ := io.ReadAll(r.Body); len(b) > 0 {
				n++
			}
		}
		return nil, errors.New("cut")
	})
	c := &Client{HTTP: &http.Client{Transport: twice}, Endpoints: DefaultEndpoints("http://127.0.0.1:1")}
	if _, err := c.Refresh(t.Context(), "rt", nil); !errors.Is(err, ErrUnknown) || n != 1 {
		t.Errorf("sent %d times, %v", n, err)
	}
}

// What a transport has not read of a request when that is over it never reads: the
// outcome was told, and others may have sent the token since.
func TestNothingLeavesWhenTheRequestIsOver(t *testing.T) {
	var body io.Reader
	late := roundTripper(func(r *http.Request) (*http.Response, error) {
		body = r.Body
		return nil, errors.New("no way there")
	})
	c := &Client{HTTP: &http.Client{Transport: late}, Endpoints: DefaultEndpoints("http://127.0.0.1:1")}
	if _, err := c.Refresh(t.Context(), "rt", nil); !errors.Is(err, ErrTransient) {
		t.Errorf("error %v", err)
	}
	if left, err := io.ReadAll(body); len(left) != 0 || err == nil {
		t.Errorf("%d bytes left, %v", len(left), err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		followed := false
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/trap" {
				followed = true
			}
			http.Redirect(w, r, "/trap", status)
		})
		c.HTTP.CheckRedirect = nil
		if _, err := c.Refresh(t.Context(), "rt", nil); !errors.Is(err, ErrTransient) || followed {
			t.Errorf("%d: followed %v, %v", status, followed, err)
		}
		if err := c.Revoke(t.Context(), "rt"); err == nil || followed {
			t.Errorf("%d: followed %v, %v", status, followed, err)
		}
	}
}

func TestTornAnswerYieldsWhatArrived(t *testing.T) {
	whole := `{"refresh_token":"r2","access_token":"a2","expires_in":3600}`
	for n := range len(whole) {
		a, err := parseAnswer([]byte(whole[:n]))
		switch {
		case n < 1:
			if err == nil {
				t.Errorf("%d bytes: %+v", n, a)
			}
			continue
		case err != nil:
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got := a.RefreshToken; got != "" && got != "r2" || a.AccessToken != "" && a.AccessToken != "a2" {
			t.Errorf("%d bytes: half a token %+v", n, a)
		}
		if a.Torn == nil {
			t.Errorf("%d bytes taken for whole", n)
		}
	}
}

func TestExchange(t *testing.T) {
	var form url.Values
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form = r.PostForm
		io.WriteString(w, `{"access_token":"a","refresh_token":"r","id_token":"i","scope":"openid"}`)
	})
	a, err := c.Exchange(t.Context(), Grant{Code: "code", RedirectURI: "http://localhost:1455/auth/callback", Verifier: "v"})
	if err != nil || a.IDToken != "i" || a.Scope != "openid" {
		t.Fatalf("%+v, %v", a, err)
	}
	want := url.Values{"grant_type": {"authorization_code"}, "code": {"code"}, "client_id": {"client"}, "code_verifier": {"v"},
		"redirect_uri": {"http://localhost:1455/auth/callback"}}
	if form.Encode() != want.Encode() {
		t.Errorf("form %v", form)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "-5": 0, "soon": 0, "999999999": time.Hour,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {in}}, now); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func TestPKCE(t *testing.T) {
	p, q := NewPKCE(), NewPKCE()
	if len(p.Verifier) != 86 || p.Verifier == q.Verifier || len(p.Challenge) != 43 {
		t.Errorf("%d, %d characters", len(p.Verifier), len(p.Challenge))
	}
	u, err := AuthorizeRequest{Endpoint: "https://i.example/authorize?keep=1", ClientID: "c", RedirectURI: "http://localhost:1455/auth/callback",
		Scopes: DefaultScopes(), State: "s", Challenge: p.Challenge, Extra: AuthorizeExtras()}.URL()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"keep=1", "response_type=code", "scope=openid%20profile%20email%20offline_access", "code_challenge_method=S256",
		"redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fauth%2Fcallback", "originator=codex_cli_rs", "id_token_add_organizations=true", "codex_cli_simplified_flow=true"} {
		if !strings.Contains(u, part) {
			t.Errorf("%s lacks %s", u, part)
		}
	}
}

// What comes with an answer costs no login: a gateway's cookies, however many, in
// HTTP/1.1 and in HTTP/2.
func TestAnswerWithManyCookies(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // as a server does that issues tokens
			for i := range 400 {
				http.SetCookie(w, &http.Cookie{Name: fmt.Sprintf("c%d", i), Value: strings.Repeat("x", 4<<10)})
			}
			io.WriteString(w, `{"access_token":"a","refresh_token":"next"}`)
		}))
		srv.EnableHTTP2 = http2
		srv.StartTLS()
		t.Cleanup(srv.Close)
		// The transport of every command, and this server's certificate.
		hc := DefaultHTTP(nil)
		hc.Transport.(*http.Transport).TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		hc.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
		c := &Client{HTTP: hc, Endpoints: DefaultEndpoints(srv.URL), ClientID: "client"}
		if a, err := c.Refresh(t.Context(), "rt", nil); err != nil || a.RefreshToken != "next" {
			t.Errorf("HTTP/2 %t: %v", http2, err)
		}
	}
}
