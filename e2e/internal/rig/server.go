package rig

import (
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"codexauth/internal/rig/oidc"
)

// A Server is a running oidc-provider: an authorization server that this
// project did not write.
type Server struct {
	// Issuer is its issuer URL, on 127.0.0.1 at a port of the kernel's choice.
	Issuer string

	server *oidc.Server
}

// StartServer starts oidc-provider with the flags of oidc/server.mjs and stops
// it at the end of the test.
func StartServer(t testing.TB, flags ...string) *Server {
	t.Helper()
	server, err := oidc.Start(flags...)
	if errors.Is(err, oidc.ErrMissing) {
		unavailable(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Close()
		if t.Failed() {
			t.Logf("oidc-provider said:\n%s", server.Said())
		}
	})
	return &Server{Issuer: server.Issuer, server: server}
}

// moduleDir is the directory of the e2e module.
func moduleDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Counters returns what has happened so far.
func (s *Server) Counters(t testing.TB) oidc.Counters {
	t.Helper()
	return must(s.server.Counters())(t)
}

// Reset starts counters and log from zero.
func (s *Server) Reset(t testing.TB) {
	t.Helper()
	check(t, s.server.Reset())
}

// TokenRequests returns the log of requests to the token endpoint.
func (s *Server) TokenRequests(t testing.TB) []oidc.TokenRequest {
	t.Helper()
	return must(s.server.TokenRequests())(t)
}

// Arm replaces the fault of the token endpoint.
func (s *Server) Arm(t testing.TB, f oidc.Fault) {
	t.Helper()
	check(t, s.server.Arm(f))
}

// Disarm ends every fault.
func (s *Server) Disarm(t testing.TB) {
	t.Helper()
	check(t, s.server.Disarm())
}

// SetAccessTokenLife sets the life, in whole seconds, of access tokens issued from now on.
func (s *Server) SetAccessTokenLife(t testing.TB, life time.Duration) {
	t.Helper()
	check(t, s.server.SetAccessTokenLife(life))
}

// ControlWithoutKey returns the status that the control endpoint answers to a stranger.
func (s *Server) ControlWithoutKey(t testing.TB) int {
	t.Helper()
	return must(s.server.ControlWithoutKey())(t)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must returns value, once it has seen that there is no error.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return value
	}
}
