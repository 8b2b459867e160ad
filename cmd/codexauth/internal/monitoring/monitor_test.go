package monitoring

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/monitor"
	"codexauth/internal/rig/promtext"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// newMonitor watches over a login of a sandbox's in a store. Nobody is signed in there
// until signIn is called, which returns the secrets of the login.
func newMonitor(t *testing.T, cfg sandbox.Config) (s *monitorServer, server *sandbox.Server, signIn func() []string) {
	t.Helper()
	server = sandbox.New(t, cfg)
	config := codexauth.Config{Store: memory.New(), Lazy: true, RescueDir: t.TempDir(), Provider: codexauth.Provider{Issuer: server.URL()}}
	manager := func() *codexauth.Manager {
		m, err := codexauth.NewManager(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	s = &monitorServer{journal: monitor.NewJournal(nil), started: time.Now(), logins: []monitored{{"default", manager()}}}
	return s, server, func() []string {
		tokens := server.Issue(sandbox.User{})
		_, err := manager().Import(t.Context(), codexauth.Credential{
			AccessToken:  codexauth.NewSecret(tokens.AccessToken),
			RefreshToken: codexauth.NewSecret(tokens.RefreshToken),
			IDToken:      codexauth.NewSecret(tokens.IDToken),
		}, codexauth.SignInOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return []string{tokens.AccessToken, tokens.RefreshToken, tokens.IDToken}
	}
}

func askMonitor(s *monitorServer, method, target, host string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Lookout{s.metrics, s.ready}.ServeHTTP(w, r)
	return w
}

// A monitor's metrics are well formed, hold no token, and its looks refresh nothing,
// not even a token that has expired.
func TestMonitorMetrics(t *testing.T) {
	s, server, signIn := newMonitor(t, sandbox.Config{AccessTTL: -time.Hour})
	secrets := signIn()
	server.ResetCounters()
	for range 3 {
		w := askMonitor(s, "GET", "/metrics", "localhost:9462")
		m, err := promtext.Read(w.Body.String())
		if err != nil {
			t.Error(err)
		}
		if m.Values[`codexauth_login_state{profile="default",state="expired"}`] != 1 {
			t.Errorf("%s", w.Body)
		}
		for _, secret := range secrets {
			if strings.Contains(w.Body.String(), secret) {
				t.Error("the metrics hold a token")
			}
		}
	}
	if c := server.Counters(); c.TokenRequests != 0 {
		t.Errorf("%d token requests", c.TokenRequests)
	}
}

func TestMonitorReady(t *testing.T) {
	s, _, signIn := newMonitor(t, sandbox.Config{})
	if w := askMonitor(s, "GET", "/readyz", "127.0.0.1"); w.Code != 503 || !strings.Contains(w.Body.String(), "not signed in") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	signIn()
	if w := askMonitor(s, "GET", "/readyz", "[::1]:80"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := askMonitor(s, "HEAD", "/healthz", "localhost"); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// A web page reads nothing, by whatever name it reaches the address.
func TestMonitorRefusesWebPages(t *testing.T) {
	s, _, _ := newMonitor(t, sandbox.Config{})
	for _, tt := range []struct {
		method, path, host, origin string
		want                       int
	}{
		{"GET", "/metrics", "rebound.example", "", 403},
		{"GET", "/metrics", "127.0.0.1.rebound.example:9462", "", 403},
		{"GET", "/metrics", "localhost", "https://page.example", 403},
		{"GET", "/metrics", "localhost", "null", 403},
		{"GET", "/metrics", "", "", 403},
		{"POST", "/metrics", "localhost", "", 405},
		{"GET", "/", "localhost", "", 404},
	} {
		var header []string
		if tt.origin != "" {
			header = []string{"Origin", tt.origin}
		}
		w := askMonitor(s, tt.method, tt.path, tt.host, header...)
		if w.Code != tt.want || strings.Contains(w.Body.String(), "codexauth_") || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%+v: %d %s", tt, w.Code, w.Body)
		}
	}
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "9462", "broker.example:0"} {
		if l, err := ListenLoopback("--listen", address); err == nil {
			l.Close()
			t.Errorf("it listens on %s", address)
		}
	}
}

// What a plugin answers for each state.
func TestJudge(t *testing.T) {
	now := time.Now()
	good := codexauth.Status{Key: "default", State: codexauth.StateValid, ExpiresAt: now.Add(time.Hour)}
	with := func(change func(*codexauth.Status)) codexauth.Status {
		s := good
		change(&s)
		return s
	}
	failure := &codexauth.RetryError{Err: http.ErrServerClosed}
	for name, tt := range map[string]struct {
		s    codexauth.Status
		warn time.Duration
		want Result
	}{
		"valid":       {good, 0, OK},
		"enough left": {good, 59 * time.Minute, OK},
		"too little":  {good, 61 * time.Minute, Warning},
		"by the issuer's clock": {with(func(s *codexauth.Status) { s.Skew = 30 * time.Minute }), 45 * time.Minute,
			Warning},
		"due":            {with(func(s *codexauth.Status) { s.State = codexauth.StateDue }), 0, OK},
		"expired":        {with(func(s *codexauth.Status) { s.State, s.ExpiresAt = codexauth.StateExpired, now }), 0, Warning},
		"failing":        {with(func(s *codexauth.Status) { s.Failure = failure }), 0, Warning},
		"expired, fails": {with(func(s *codexauth.Status) { s.State, s.Failure = codexauth.StateExpired, failure }), 0, Critical},
		"cut off":        {with(func(s *codexauth.Status) { s.Pending, s.Abandoned = &codexauth.Attempt{}, true }), 0, Warning},
		"under way":      {with(func(s *codexauth.Status) { s.Pending = &codexauth.Attempt{} }), 0, OK},
		"rescued":        {with(func(s *codexauth.Status) { s.Rescued = "/x" }), 0, Warning},
		"refused": {with(func(s *codexauth.Status) {
			s.State, s.LastRefusal = codexauth.StateRefused, &codexauth.RefusedError{Code: "x\ny"}
		}), 0, Critical},
		"signed out":           {codexauth.Status{Key: "a\nb", State: codexauth.StateSignedOut}, 0, Critical},
		"its store is missing": {codexauth.Status{Key: "default", State: codexauth.StateSignedOut, Rescued: "/x"}, 0, Critical},
	} {
		got, text := Judge(tt.s, tt.warn, now)
		if got != tt.want || strings.ContainsAny(text, "\n|") {
			t.Errorf("%s: %s %q", name, got, text)
		}
	}
}
