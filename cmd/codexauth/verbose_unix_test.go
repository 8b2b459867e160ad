//go:build unix

package main

import (
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// -v reports each request, wait and claim. That it tells no secret is what box.run
// looks for.
func TestVerbose(t *testing.T) {
	b := newExpired(t)
	told := func(r result, texts ...string) {
		t.Helper()
		if r.code != verdict.Done || strings.Contains(r.stderr, "?") || strings.Contains(r.stderr, "Bearer") {
			t.Errorf("exit %d; it said %q", r.code, r.stderr)
		}
		for _, text := range texts {
			if !strings.Contains(r.stderr, text) {
				t.Errorf("it does not say %q: %q", text, r.stderr)
			}
		}
	}
	host := strings.TrimPrefix(b.server.URL(), "http://")
	refreshed := []string{
		"method=POST host=" + host + " path=/oauth/token status=200 took=",
		`msg="claimed the record" key=default waited=`, `msg="a process of its own refreshes" pid=`, "msg=waited pid=",
	}
	told(b.run(t, "-v", "token"), refreshed...)
	told(b.run(t, "-v", "status", "--usage"), "method=GET host="+host+" path=/backend-api/wham/usage status=200")
	told(b.run(t, "-v", "profile", "rename", "default", "job"), `msg="claimed the record" key=job waited=`)
	if r := b.run(t, "-v", "--profile", "job", "doctor"); !strings.Contains(r.stderr, "method=GET host="+host) {
		t.Errorf("it said %q", r.stderr)
	}
	b.setFaults(t, "status=503*1")
	if r := b.run(t, "-v", "--profile", "job", "refresh"); r.code != verdict.TryLater || !strings.Contains(r.stderr, "path=/oauth/token status=503") {
		t.Errorf("exit %d; it said %q", r.code, r.stderr)
	}
}

// Who waits is told for whom.
func TestVerboseWaits(t *testing.T) {
	b := newExpired(t)
	b.setFaults(t, "latency=2s*1")
	first := b.command("token")
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the refresh", func() bool { return b.server.Counters().TokenRequests == 1 })
	r := b.run(t, "-v", "token")
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	wantToken(t, r)
	if !strings.Contains(r.stderr, `msg="waiting for a refresh that another process has begun" by="process `) || !strings.Contains(r.stderr, "msg=waited took=") {
		t.Errorf("it said %q", r.stderr)
	}
}

// A broker's client reports its requests.
func TestVerboseLessee(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	_, socket, _ := newServed(t, b)
	if r := b.client(t, socket).run(t, "-v", "token"); r.code != verdict.Done || !strings.Contains(r.stderr, "method=POST host=") || !strings.Contains(r.stderr, "path=/token status=200") {
		t.Errorf("exit %d; it said %q", r.code, r.stderr)
	}
}
