//go:build unix

package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/rig/freeport"
	"codexauth/internal/rig/promtext"
	"codexauth/sandbox"
)

// A listener of its own answers about the logins without a key, and about nothing else.
func TestServeMetricsListen(t *testing.T) {
	b := newBox(t, sandbox.Config{AccessTTL: -time.Hour})
	shortHome(t, b)
	b.signIn(t, "default")
	b.server.SetAccessTTL(time.Hour)
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(freeport.One(t)))
	b.serve(t, "--metrics-listen", at)
	get := func(method, path string, header ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(header) > 0 {
			req.Header.Set(header[0], header[1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	var metrics promtext.Metrics
	eventually(t, "the refresh", func() bool {
		status, text := get("GET", "/metrics")
		var err error
		if metrics, err = promtext.Read(text); err != nil || status != 200 {
			t.Fatalf("%d: %v", status, err)
		}
		return metrics.Values[`codexauth_refreshes_total{profile="default",outcome="refreshed"}`] == 1
	})
	if n := metrics.Values[`codexauth_store_claim_seconds_count{profile="default"}`]; n < 1 {
		t.Errorf("%v claims were counted", n)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 404, "/status": 404, "/token": 404, "/v1/models": 404, "/backend-api/codex/models": 404} {
		if status, text := get("GET", path); status != want {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, _ := get("GET", "/metrics", "Origin", "http://localhost"); status != 403 {
		t.Errorf("a web page is answered %d", status)
	}
	if status, _ := get("POST", "/metrics"); status != 405 {
		t.Errorf("POST: %d", status)
	}
	b.server.RevokeAll()
	b.run(t, "refresh")
	eventually(t, "the refusal", func() bool {
		status, text := get("GET", "/readyz")
		return status == 503 && strings.Contains(text, `"refused"`)
	})
	wantFailure(t, b.run(t, "serve", "--socket", b.home+"/other.sock", "--metrics-listen", "0.0.0.0:0"), verdict.Usage, "--metrics-listen takes a loopback address only")
}
