package rig

import (
	"net/http"
	"testing"

	"codexauth/internal/rig/program"
)

// A Sandbox is a running `codexauth sandbox`.
type Sandbox struct {
	Issuer string

	key string
}

// StartSandbox starts the project's own stand-in for the service and ends it
// with the test.
func StartSandbox(t testing.TB, flags ...string) *Sandbox {
	t.Helper()
	cli := NewCLI(t, "")
	var ready struct {
		Issuer     string `json:"issuer"`
		ControlKey string `json:"control_key"`
	}
	cli.serve(t, &ready, append([]string{"sandbox", "--port", "0", "--json"}, flags...)...)
	return &Sandbox{Issuer: ready.Issuer, key: ready.ControlKey}
}

// Counters returns the sandbox's own count of what happened, by name.
func (s *Sandbox) Counters(t testing.TB) map[string]int {
	t.Helper()
	var state struct {
		Counters map[string]int `json:"counters"`
	}
	if err := program.Control(http.MethodGet, s.Issuer+"/sandbox/control", "X-Sandbox-Key", s.key, nil, &state); err != nil {
		t.Fatalf("control of the sandbox: %v", err)
	}
	return state.Counters
}
