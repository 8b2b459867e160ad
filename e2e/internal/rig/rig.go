// Package rig starts what the end-to-end tests run codexauth against: a foreign
// authorization server, a person who signs in there, a real browser, and the
// codexauth binary itself.
package rig

import (
	"os"
	"testing"
)

// unavailable skips the test because something that it needs is not on this
// machine, or fails it where CODEXAUTH_E2E_REQUIRED=1 says that it must be.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CODEXAUTH_E2E_REQUIRED") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
