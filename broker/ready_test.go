package broker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"codexauth"
	"codexauth/sandbox"
	"codexauth/store/memory"
)

// again has a look at readiness see how things are now.
func (r *rig) again() {
	for _, of := range append([]*readiness{&r.server.ready}, readinessOf(r.server)...) {
		of.mu.Lock()
		of.at = time.Time{}
		of.mu.Unlock()
	}
}

func readinessOf(s *Server) (all []*readiness) {
	for _, l := range s.logins {
		all = append(all, &l.ready)
	}
	return all
}

// ready asks without a key.
func (r *rig) ready(headers ...string) (status int, body readyBody, text string, h http.Header) {
	r.Helper()
	r.again()
	status, text, h = r.ask("GET", "/readyz", "", append([]string{"Authorization", ""}, headers...)...)
	r.must(json.Unmarshal([]byte(text), &body))
	return status, body, text, h
}

// Without a key everybody learns whether requests would be served, why not and what
// to do, and nobody whose login it is.
func TestReady(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*rig)
		status int
		says   string
	}{
		"signed in":  {func(*rig) {}, 200, "ready"},
		"signed out": {func(r *rig) { r.must(r.manager.SignOut(t.Context(), false)) }, 503, "signed_out"},
		"moved": {func(r *rig) {
			r.must(codexauth.Place{Store: r.store}.MoveTo(t.Context(), codexauth.Place{Key: "elsewhere"}, nil))
		}, 503, "signed_out"},
		"refused":     {func(r *rig) { r.spoil("refuse", "refresh_token_reused") }, 503, "refused"},
		"backing off": {func(r *rig) { r.expired(); r.spoil("rate-limit", "600") }, 503, "backing_off"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			token, err := r.manager.Token(t.Context())
			r.must(err)
			account := token.AccountID
			tt.change(r)
			status, body, text, h := r.ready()
			if status != tt.status || body.Status != tt.says || body.Logins != nil {
				t.Errorf("%d %s", status, text)
			}
			if status != 200 && body.Message == "" || strings.Contains(text, "@") || strings.Contains(text, account) || strings.Contains(text, "elsewhere") ||
				strings.Contains(text, "moved") != (name == "moved") || strings.Count(text, "\n") != 1 {
				t.Errorf("it says %s", text)
			}
			if (h.Get("Retry-After") != "") != (tt.says == "backing_off") {
				t.Errorf("Retry-After: %q", h.Get("Retry-After"))
			}
			if status, text, _ := r.ask("GET", "/healthz", "", "Authorization", ""); status != 200 || text != `{"status":"ok"}`+"\n" {
				t.Errorf("the process lives: %d %s", status, text)
			}
		})
	}
}

// spoil makes the sandbox fail, and a client meet it.
func (r *rig) spoil(fault, arg string) {
	r.must(r.sandbox.SetFaults(sandbox.Fault{Name: fault, Arg: arg}))
	r.sandbox.ExpireAccessTokens()
	r.ask("POST", "/v1/responses", prompt)
}

// expired gives the login a token that has ended.
func (r *rig) expired() {
	r.sandbox.SetAccessTTL(-time.Hour)
	_, _ = r.manager.Refresh(r.Context()) // it says that the new one has ended
}

// awayStore is a store that can be gone.
type awayStore struct {
	codexauth.Store
	gone atomic.Bool
}

var errAway = errors.New("no route to db.example")

func (s *awayStore) Load(ctx context.Context, key string) ([]byte, error) {
	if s.gone.Load() {
		return nil, errAway
	}
	return s.Store.Load(ctx, key)
}

// While the store is away a broker is of use as long as it has a token, and again as
// soon as the store is back.
func TestReadyWhileTheStoreIsAway(t *testing.T) {
	r := newRig(t, nil)
	store := &awayStore{Store: memory.New()}
	manager := func() *codexauth.Manager {
		m, err := codexauth.NewManager(codexauth.Config{Store: store, RescueDir: t.TempDir(), Provider: codexauth.Provider{Issuer: r.sandbox.URL()}})
		r.must(err)
		t.Cleanup(func() { m.Close() })
		r.server.logins[0].Manager = m
		return m
	}
	r.signIn(manager())
	store.gone.Store(true)
	if status, _, text, _ := r.ready(); status != 200 {
		t.Errorf("with a token at hand: %d %s", status, text)
	}
	manager()
	if status, body, text, _ := r.ready(); status != 503 || body.Status != "store_away" || strings.Contains(text, "db.example") {
		t.Errorf("without one: %d %s", status, text)
	}
	store.gone.Store(false)
	if status, _, text, _ := r.ready(); status != 200 {
		t.Errorf("back: %d %s", status, text)
	}
}

// Probes come at any rate, and the store is asked once a second.
func TestProbesDoNotLoadTheStore(t *testing.T) {
	var loads atomic.Int64
	r := newRig(t, nil)
	r.server.logins[0].Manager = countedLoads(t, &loads)
	for range 50 {
		r.ask("GET", "/readyz", "", "Authorization", "")
	}
	if n := loads.Load(); n < 1 || n > 25 {
		t.Errorf("50 probes, %d reads", n)
	}
}

type loadCounter struct {
	codexauth.Store
	n *atomic.Int64
}

func (s loadCounter) Load(context.Context, string) ([]byte, error) {
	s.n.Add(1)
	return nil, codexauth.ErrNotFound
}

func countedLoads(t *testing.T, n *atomic.Int64) *codexauth.Manager {
	m, err := codexauth.NewManager(codexauth.Config{Store: loadCounter{n: n}, RescueDir: t.TempDir(), Provider: codexauth.Provider{Issuer: "http://127.0.0.1:9"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// A probe comes by the address of a machine, which no web page's name leads to; a
// name that is not ours gets nothing.
func TestProbeByAddress(t *testing.T) {
	r := newRig(t, nil)
	for host, want := range map[string]int{"10.1.2.3:8461": 200, "[fd00::1]:8461": 200, "evil.example": 421} {
		for _, path := range []string{"/healthz", "/readyz"} {
			if status := statusOf(r.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")); status != want {
				t.Errorf("%s by %s: %d, want %d", path, host, status, want)
			}
		}
		if status := statusOf(r.raw("GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nAuthorization: Bearer " + r.key + "\r\n\r\n")); status != 421 {
			t.Errorf("models by %s: %d", host, status)
		}
	}
	if status, _, h := r.ask("POST", "/readyz", "", "Authorization", ""); status != 405 || h.Get("Allow") == "" {
		t.Errorf("POST: %d", status)
	}
}
