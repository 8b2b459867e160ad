package main

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
	"codexauth/store/file"
)

// newMonitor watches over the box's login and one that is not there.
func newMonitor(t *testing.T, b *box) *monitorServer {
	t.Helper()
	store, err := file.Open(b.home)
	if err != nil {
		t.Fatal(err)
	}
	s := &monitorServer{journal: monitor.NewJournal(nil), started: time.Now()}
	m, err := codexauth.NewManager(codexauth.Config{Store: store, Lazy: true, Provider: codexauth.Provider{Issuer: b.server.URL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	s.logins = []monitored{{"default", m}}
	return s
}

func askMonitor(s *monitorServer, method, target, host string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// A monitor's metrics are well formed, hold no token, and its looks refresh nothing,
// not even a token that has expired.
func TestMonitorMetrics(t *testing.T) {
	b := newBox(t, sandbox.Config{AccessTTL: -time.Hour})
	b.signIn(t, "default")
	b.server.ResetCounters()
	s := newMonitor(t, b)
	for range 3 {
		w := askMonitor(s, "GET", "/metrics", "localhost:9462")
		m, err := promtext.Read(w.Body.String())
		if err != nil {
			t.Error(err)
		}
		if m.Values[`codexauth_login_state{profile="default",state="expired"}`] != 1 {
			t.Errorf("%s", w.Body)
		}
		for _, secret := range secretsIn(b.home) {
			if strings.Contains(w.Body.String(), secret) {
				t.Error("the metrics hold a token")
			}
		}
	}
	if c := b.server.Counters(); c.TokenRequests != 0 {
		t.Errorf("%d token requests", c.TokenRequests)
	}
}

func TestMonitorReady(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	s := newMonitor(t, b)
	if w := askMonitor(s, "GET", "/readyz", "127.0.0.1"); w.Code != 503 || !strings.Contains(w.Body.String(), "not signed in") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	b.signIn(t, "default")
	if w := askMonitor(s, "GET", "/readyz", "[::1]:80"); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := askMonitor(s, "HEAD", "/healthz", "localhost"); w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
}

// A web page reads nothing, by whatever name it reaches the address.
func TestMonitorRefusesWebPages(t *testing.T) {
	s := newMonitor(t, newBox(t, sandbox.Config{}))
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
		if l, err := listenLoopback(address); err == nil {
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
		want checkResult
	}{
		"valid":       {good, 0, checkOK},
		"enough left": {good, 59 * time.Minute, checkOK},
		"too little":  {good, 61 * time.Minute, checkWarning},
		"by the issuer's clock": {with(func(s *codexauth.Status) { s.Skew = 30 * time.Minute }), 45 * time.Minute,
			checkWarning},
		"due":            {with(func(s *codexauth.Status) { s.State = codexauth.StateDue }), 0, checkOK},
		"expired":        {with(func(s *codexauth.Status) { s.State, s.ExpiresAt = codexauth.StateExpired, now }), 0, checkWarning},
		"failing":        {with(func(s *codexauth.Status) { s.Failure = failure }), 0, checkWarning},
		"expired, fails": {with(func(s *codexauth.Status) { s.State, s.Failure = codexauth.StateExpired, failure }), 0, checkCritical},
		"cut off":        {with(func(s *codexauth.Status) { s.Pending, s.Abandoned = &codexauth.Attempt{}, true }), 0, checkWarning},
		"under way":      {with(func(s *codexauth.Status) { s.Pending = &codexauth.Attempt{} }), 0, checkOK},
		"rescued":        {with(func(s *codexauth.Status) { s.Rescued = "/x" }), 0, checkWarning},
		"refused": {with(func(s *codexauth.Status) {
			s.State, s.LastRefusal = codexauth.StateRefused, &codexauth.Refusal{Code: "x\ny"}
		}), 0, checkCritical},
		"signed out":        {codexauth.Status{Key: "a\nb", State: codexauth.StateSignedOut}, 0, checkCritical},
		"its store is away": {codexauth.Status{Key: "default", State: codexauth.StateSignedOut, Rescued: "/x"}, 0, checkCritical},
	} {
		got, text := judge(tt.s, tt.warn, now)
		if got != tt.want || strings.ContainsAny(text, "\n|") {
			t.Errorf("%s: %s %q", name, got, text)
		}
	}
}
