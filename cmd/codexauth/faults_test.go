package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"codexauth/sandbox"
)

// What `codexauth token` makes of each thing that can go wrong at the token
// endpoint, and what is left when it no longer does.
func TestFaults(t *testing.T) {
	const kept, advanced = false, true
	tests := []struct {
		fault string
		code  int    // of the command that meets the fault
		says  string // on standard error
		moved bool   // the stored refresh token is the next one
		after int    // exit code of `refresh` without the fault
	}{
		{"status=500", exitTryLater, "500", kept, exitDone},
		{"status=503", exitTryLater, "503", kept, exitDone},
		{"html", exitTryLater, "try again", kept, exitDone},
		{"html-status=401", exitTryLater, "gateway", kept, exitDone},
		{"html-status=403", exitTryLater, "gateway", kept, exitDone},
		{"redirect", exitTryLater, "redirect", kept, exitDone},
		{"drop-before", exitTryLater, "try again", kept, exitDone},
		{"rate-limit=3600", exitTryLater, "429", kept, exitTryLater},
		{"status=403", exitFailed, "403", kept, exitDone},
		{"refuse=invalid_client", exitFailed, "invalid_client", kept, exitDone},
		{"refuse=refresh_token_expired", exitRefused, "refresh_token_expired", kept, exitDone},
		{"refuse=refresh_token_invalidated", exitRefused, "refresh_token_invalidated", kept, exitDone},
		{"refuse=refresh_token_reused", exitRefused, "refresh_token_reused", kept, exitDone},
		{"refuse=invalid_grant", exitRefused, "invalid_grant", kept, exitDone},
		{"no-access-token", exitTryLater, "no access token", advanced, exitDone},
		{"opaque-access-token", exitTryLater, "access token", advanced, exitDone},
		{"other-account", exitTryLater, "account", advanced, exitDone},
		{"drop-after", exitTryLater, "try again", kept, exitRefused},
		{"status-after=502", exitTryLater, "502", kept, exitRefused},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			b := newExpired(t)
			before := b.stored(t)
			b.setFaults(t, tt.fault+"*1@refresh")

			wantFailure(t, b.run(t, "token"), tt.code, tt.says)
			after := b.stored(t)
			if moved := after.RefreshToken != before.RefreshToken; moved != tt.moved {
				t.Errorf("the refresh token was replaced: %v, want %v", moved, tt.moved)
			}
			if after.AccessToken != before.AccessToken {
				t.Error("the access token was replaced by a failure")
			}
			if n := b.server.Counters().RefreshRequests; n != 1 {
				t.Errorf("%d refresh requests, want 1", n)
			}

			r := b.run(t, "refresh", "-v") // -v tells no secret either
			if r.code != tt.after {
				t.Fatalf("refresh afterwards: exit %d, want %d; it said %q", r.code, tt.after, r.stderr)
			}
			c := b.server.Counters()
			if c.RedirectsTaken != 0 {
				t.Error("a redirect was followed")
			}
			switch tt.after {
			case exitDone:
				wantToken(t, b.run(t, "token"))
				if c.Reuses != 0 {
					t.Errorf("%d reuses, want none", c.Reuses)
				}
			case exitRefused:
				if !strings.Contains(r.stderr, "was cut off and its answer is lost") {
					t.Errorf("it does not say what happened: %q", r.stderr)
				}
			}
		})
	}
}

// An answer of which enough arrived is used, however it ended.
func TestSalvagedAnswer(t *testing.T) {
	for _, fault := range []string{"truncate", "trailing", "no-refresh-token", "no-id-token", "no-expires-in", "no-exp"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			b := newExpired(t)
			b.setFaults(t, fault+"*1@refresh")
			r := b.run(t, "token")
			if r.code != exitDone && r.code != exitTryLater {
				t.Fatalf("exit %d; it said %q", r.code, r.stderr)
			}
			if r.code == exitDone {
				wantToken(t, r)
			}
			// Whether or not the answer could be used, the login goes on, or what
			// happened to it is said.
			switch r := b.run(t, "refresh"); {
			case r.code == exitDone:
				wantToken(t, b.run(t, "token"))
				if n := b.server.Counters().Reuses; n != 0 {
					t.Errorf("%d reuses, want none", n)
				}
			case fault != "truncate":
				t.Errorf("refresh afterwards: exit %d; it said %q", r.code, r.stderr)
			default:
				wantFailure(t, r, exitRefused, "sign in again") // the refresh token was in the other half
			}
		})
	}
}

// A backend's 429 names a time, and every process keeps it.
func TestRateLimitIsShared(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "rate-limit=3600*1@refresh")
	for range 3 {
		wantFailure(t, b.run(t, "token"), exitTryLater, "try again in")
	}
	r := b.run(t, "token", "--json")
	wantFailure(t, r, exitTryLater, `"code":"rate_limited"`, `"exit_code":5`)
	if n := b.server.Counters().RefreshRequests; n != 1 {
		t.Errorf("%d refresh requests, want 1", n)
	}
}

// A valid token is served whatever the server does.
func TestOutageWithValidToken(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	want := wantToken(t, b.run(t, "token"))
	b.setFaults(t, "status=503")
	if r := b.run(t, "refresh"); r.code != exitTryLater {
		t.Errorf("refresh: exit %d, want %d", r.code, exitTryLater)
	}
	for _, args := range [][]string{{"token"}, {"token", "--min-valid", "24h"}} {
		if wantToken(t, b.run(t, args...)) != want {
			t.Errorf("%v: another token", args)
		}
	}
}

// Ten processes find one login expired: one of them asks.
func TestTenProcesses(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "latency=300ms")
	results := make([]result, 10)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = finish(b.command("token")) })
	}
	wg.Wait()
	for _, r := range results {
		if token := wantToken(t, r); token != wantToken(t, results[0]) {
			t.Error("the processes did not all print the same token")
		}
	}
	if c := b.server.Counters(); c.TokenRequests != 1 || c.Refreshes != 1 || c.Reuses != 0 {
		t.Errorf("counters %+v, want one token request", c)
	}
}

// What the header format prints is what the backend takes.
func TestHeaderFormat(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	r := b.run(t, "token", "--format", "header")
	req, err := http.NewRequest(http.MethodGet, b.server.BackendURL()+"/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(r.stdout) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the backend answered %d", resp.StatusCode)
	}
}

func (b *box) setFaults(t *testing.T, texts ...string) {
	t.Helper()
	var faults []sandbox.Fault
	for _, text := range texts {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	if err := b.server.SetFaults(faults...); err != nil {
		t.Fatal(err)
	}
}
