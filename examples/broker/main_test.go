package main

import (
	"strings"
	"testing"

	"codexauth"
	"codexauth/broker"
	"codexauth/broker/client"
	"codexauth/examples/internal/try"
)

func TestProgramWithABroker(t *testing.T) {
	keeper, srv := try.SignedIn(t)
	keys := new(broker.Keys)
	s, err := broker.New(broker.Config{Manager: keeper, Backend: srv.BackendURL(), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	l, err := broker.ListenTCP("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	for name, lease := range map[string]bool{"leaser": true, "proxy": false} {
		text, key, err := broker.NewKey(name)
		if err != nil {
			t.Fatal(err)
		}
		key.Lease = lease
		if err := keys.Add(key); err != nil {
			t.Fatal(err)
		}
		t.Setenv(client.KeyVariable, text)
		c, err := client.New("broker+http://"+l.Addr().String(), client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := codexauth.NewManager(codexauth.Config{Lessor: c, Provider: codexauth.Provider{Issuer: srv.URL()}})
		if err != nil {
			t.Fatal(err)
		}
		var answer strings.Builder
		if err := listModels(t.Context(), c, m, srv.BackendURL(), &answer); err != nil || !strings.Contains(answer.String(), "gpt-sandbox") {
			t.Errorf("%s: %q, %v", name, answer.String(), err)
		}
		m.Close()
	}
}
