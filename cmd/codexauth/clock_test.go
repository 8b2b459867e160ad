package main

import (
	"regexp"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// How long a token is good is counted by the issuer's clock, by which it ends.
func TestTimesByTheIssuersClock(t *testing.T) {
	b := newBox(t, sandbox.Config{ClockOffset: 100 * 24 * time.Hour})
	b.signIn(t, "default")
	r := b.run(t, "refresh")
	if r.code != verdict.Done || !regexp.MustCompile(`good until \S+ \S+ \S+ \(in (1 hour|60 minutes|59 minutes)`).MatchString(r.stderr) {
		t.Errorf("exit %d: %s", r.code, r.stderr)
	}
	if r := b.run(t, "status"); !regexp.MustCompile(`Token expires .*\(in (1 hour|60 minutes|59 minutes)`).MatchString(r.stdout) {
		t.Error(r.stdout)
	}
}
