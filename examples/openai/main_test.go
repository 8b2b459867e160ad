package main

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"codexauth"
	"codexauth/broker"
	"codexauth/broker/client"
	"codexauth/examples/internal/try"
	"codexauth/sandbox"
)

const prompt = "Say this, piece by piece, please"

func wantAnswer(t *testing.T, hc *http.Client, baseURL string) {
	t.Helper()
	c := newClient(hc, baseURL)
	names, err := models(t.Context(), c)
	if err != nil || len(names) == 0 {
		t.Fatalf("models: %v, %v", names, err)
	}
	var answer strings.Builder
	if err := ask(t.Context(), c, names[0], prompt, &answer); err != nil || !strings.Contains(answer.String(), "piece by piece") {
		t.Errorf("%q, %v", answer.String(), err)
	}
}

func TestOpenAIClientOnAManager(t *testing.T) {
	m, srv := try.SignedIn(t)
	wantAnswer(t, m.Client(), srv.BackendURL())
	// A 401 costs the SDK nothing: the Manager recovers beneath it.
	if err := srv.SetFaults(sandbox.Fault{Name: "backend-unauthorized", Times: 1}); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, m.Client(), srv.BackendURL())
	if c := srv.Counters(); c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses", c.Refreshes, c.Reuses)
	}
}

// The same program, unchanged but for its client, with a broker's key that gets
// no token.
func TestOpenAIClientOnABroker(t *testing.T) {
	m, srv := try.SignedIn(t)
	text, key, err := broker.NewKey("sdk")
	if err != nil {
		t.Fatal(err)
	}
	keys := new(broker.Keys)
	if err := keys.Add(key); err != nil {
		t.Fatal(err)
	}
	c, err := client.New("broker+http://"+serve(t, broker.Config{Manager: m, Backend: srv.BackendURL(), Keys: keys}), client.Options{Key: codexauth.NewSecret(text)})
	if err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, c.HTTPClient(), c.BaseURL())
}

// serve runs a broker until the test ends.
func serve(t *testing.T, cfg broker.Config) (addr string) {
	t.Helper()
	s, err := broker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	if l, err = broker.ListenTCP("127.0.0.1:0", nil); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().String()
}
