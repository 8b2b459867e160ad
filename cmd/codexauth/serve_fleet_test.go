//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"codexauth/sandbox"
)

// Two servers on one database share its login and its keys. One is killed under load:
// no client is told anything wrong, and what it could not finish the other does.
func TestTwoServersAndOneIsKilled(t *testing.T) {
	b := newShared(t, sandbox.Config{})
	shortHome(t, b)
	b.expire(t)
	one, two := b.serve(t, "--keys", "store", "--listen", "127.0.0.1:0"), b.serve(t, "--keys", "store", "--listen", "127.0.0.1:0")
	key := strings.TrimSpace(b.run(t, "serve", "key", "add", "ci", "--keys", "store").stdout)
	for _, s := range []*served{one, two} {
		becomes(t, "the key", 200, func() int { status, _ := s.ask(t, "GET", "/v1/models", key); return status })
	}
	var asked, gone atomic.Int64
	enough, killed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			hc := &http.Client{Transport: &http.Transport{}}
			defer hc.CloseIdleConnections()
			for after := 0; after < 20; {
				first, second := one, two
				if asked.Add(1)%2 == 0 {
					first, second = two, one
				}
				err := prompt(hc, first.URL, key)
				var cut *url.Error
				if errors.As(err, &cut) || errors.Is(err, io.ErrUnexpectedEOF) { // as a client with two addresses does
					if gone.Add(1); first == two {
						t.Errorf("the server that lives: %v", err)
					}
					err = prompt(hc, second.URL, key)
				}
				if err != nil {
					t.Errorf("%v", err)
					return
				}
				if asked.Load() > 100 {
					once.Do(func() { close(enough) })
				}
				select {
				case <-killed:
					after++
				default:
				}
			}
		})
	}
	<-enough
	if err := one.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	close(killed)
	all.Wait()
	if c := b.server.Counters(); gone.Load() == 0 || c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("%d requests met the dead server; %d refreshes, %d reuses", gone.Load(), c.Refreshes, c.Reuses)
	}
	// What a key may do is changed at the one that is left, too.
	if r := b.run(t, "serve", "key", "revoke", "ci", "--keys", "store"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	becomes(t, "the revoked key", 401, func() int { status, _ := two.ask(t, "GET", "/v1/models", key); return status })
	two.stop(t)
}

// prompt sends one and reads the answer to its end.
func prompt(hc *http.Client, base, key string) error {
	req, err := http.NewRequest("POST", base+"/v1/responses", strings.NewReader(`{"model":"gpt-sandbox","stream":true,"input":"Say this, piece by piece"}`))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return &url.Error{Op: "read", URL: base, Err: err}
	}
	if resp.StatusCode != 200 || !strings.Contains(string(text), "response.completed") {
		return fmt.Errorf("%d: %.300s", resp.StatusCode, text)
	}
	return nil
}
