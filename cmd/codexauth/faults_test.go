package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
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
		{"status=500", verdict.TryLater, "500", kept, verdict.Done},
		{"status=503", verdict.TryLater, "503", kept, verdict.Done},
		{"html", verdict.TryLater, "try again", kept, verdict.Done},
		{"html-status=401", verdict.TryLater, "gateway", kept, verdict.Done},
		{"html-status=403", verdict.TryLater, "gateway", kept, verdict.Done},
		{"redirect", verdict.TryLater, "redirect", kept, verdict.Done},
		{"drop-before", verdict.TryLater, "try again", kept, verdict.Done},
		{"rate-limit=3600", verdict.TryLater, "429", kept, verdict.TryLater},
		{"status=403", verdict.Failed, "403", kept, verdict.Done},
		{"refuse=invalid_client", verdict.Failed, "invalid_client", kept, verdict.Done},
		{"refuse=refresh_token_expired", verdict.Refused, "refresh_token_expired", kept, verdict.Done},
		{"refuse=refresh_token_invalidated", verdict.Refused, "refresh_token_invalidated", kept, verdict.Done},
		{"refuse=refresh_token_reused", verdict.Refused, "refresh_token_reused", kept, verdict.Done},
		{"refuse=invalid_grant", verdict.Refused, "invalid_grant", kept, verdict.Done},
		{"no-access-token", verdict.TryLater, "no access token", advanced, verdict.Done},
		{"opaque-access-token", verdict.TryLater, "access token", advanced, verdict.Done},
		{"other-account", verdict.TryLater, "account", advanced, verdict.Done},
		{"drop-after", verdict.TryLater, "try again", kept, verdict.Refused},
		{"status-after=502", verdict.TryLater, "502", kept, verdict.Refused},
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
			case verdict.Done:
				wantToken(t, b.run(t, "token"))
				if c.Reuses != 0 {
					t.Errorf("%d reuses, want none", c.Reuses)
				}
			case verdict.Refused:
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
			if r.code != verdict.Done && r.code != verdict.TryLater {
				t.Fatalf("exit %d; it said %q", r.code, r.stderr)
			}
			if r.code == verdict.Done {
				wantToken(t, r)
			}
			// Whether or not the answer could be used, the login goes on, or what
			// happened to it is said.
			switch r := b.run(t, "refresh"); {
			case r.code == verdict.Done:
				wantToken(t, b.run(t, "token"))
				if n := b.server.Counters().Reuses; n != 0 {
					t.Errorf("%d reuses, want none", n)
				}
			case fault != "truncate":
				t.Errorf("refresh afterwards: exit %d; it said %q", r.code, r.stderr)
			default:
				wantFailure(t, r, verdict.Refused, "sign in again") // the refresh token was in the other half
			}
		})
	}
}

// A backend's 429 names a time, and every process keeps it.
func TestRateLimitIsShared(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "rate-limit=3600*1@refresh")
	for range 3 {
		wantFailure(t, b.run(t, "token"), verdict.TryLater, "try again in")
	}
	r := b.run(t, "token", "--json")
	wantFailure(t, r, verdict.TryLater, `"code":"rate_limited"`, `"exit_code":5`)
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
	if r := b.run(t, "refresh"); r.code != verdict.TryLater {
		t.Errorf("refresh: exit %d, want %d", r.code, verdict.TryLater)
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
