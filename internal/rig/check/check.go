// Package check has what the tests of several stores and seals ask in the same way.
package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"codexauth"
)

// Patient is a context that only a fault outlasts.
func Patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Expired is a context whose deadline has passed.
func Expired(t testing.TB) context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	t.Cleanup(cancel)
	return ctx
}

// Commit stores record under c.
func Commit(t testing.TB, c codexauth.Claim, record string) {
	t.Helper()
	if err := c.Commit(Patient(t), []byte(record)); err != nil {
		t.Fatal(err)
	}
}

// Release releases c.
func Release(t testing.TB, c codexauth.Claim) {
	t.Helper()
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
}

// Claims has the claim of key until the end of the test.
func Claims[S codexauth.Store, C codexauth.Claim](t testing.TB, s S, key string) C {
	t.Helper()
	c, err := s.Claim(Patient(t), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Release() })
	return c.(C)
}

// Puts stores record under key.
func Puts[S codexauth.Store](t testing.TB, s S, key, record string) {
	t.Helper()
	c := Claims[S, codexauth.Claim](t, s, key)
	Commit(t, c, record)
	Release(t, c)
}

// Until polls for what comes soon.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// Loads checks what s has under key.
func Loads[S codexauth.Store](t testing.TB, s S, key, want string) {
	t.Helper()
	got, err := s.Load(Patient(t), key)
	if err != nil || string(got) != want {
		t.Fatalf("Load(%q) = %.80q, %v, want %q", key, got, err, want)
	}
}

// Error checks that err wraps want (nil: is any error) and says all of the parts, and
// that no way of printing it shows the password of these tests.
func Error(t testing.TB, err, want error, parts ...string) {
	t.Helper()
	if err == nil || want != nil && !errors.Is(err, want) {
		t.Errorf("got %v, want an error that wraps %v", err, want)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "Passw0rd") {
		t.Errorf("the error %q holds a password", err)
	}
}

// NoSecret checks that no way of printing err shows eight characters of a secret.
func NoSecret(t testing.TB, err error, secrets ...string) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		text := fmt.Sprintf(verb, err)
		for _, secret := range secrets {
			for at := 0; at+8 <= len(secret); at += 8 {
				if strings.Contains(text, secret[at:at+8]) {
					t.Errorf("%s of the error shows part of a secret: %s", verb, text)
				}
			}
		}
	}
}
