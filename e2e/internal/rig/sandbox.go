package rig

import (
	"context"
	"net/http"
	"os"
	"testing"
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
	ctx, cancel := context.WithCancel(context.Background())
	cmd := cli.command(ctx, append([]string{"sandbox", "--port", "0", "--json"}, flags...)...)
	stderr := &lockedBuffer{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		cmd.Process.Signal(os.Interrupt)
		stop(cmd)
		if t.Failed() {
			t.Logf("the sandbox said:\n%s", stderr)
		}
	})
	var ready struct {
		Issuer     string `json:"issuer"`
		ControlKey string `json:"control_key"`
	}
	if err := readReadyLine(stdout, &ready); err != nil {
		t.Fatalf("codexauth sandbox did not start: %v\n%s", err, stderr)
	}
	return &Sandbox{Issuer: ready.Issuer, key: ready.ControlKey}
}

// Counters returns the sandbox's own count of what happened, by name.
func (s *Sandbox) Counters(t testing.TB) map[string]int {
	t.Helper()
	var state struct {
		Counters map[string]int `json:"counters"`
	}
	if err := control(http.MethodGet, s.Issuer+"/sandbox/control", "X-Sandbox-Key", s.key, nil, &state); err != nil {
		t.Fatalf("control of the sandbox: %v", err)
	}
	return state.Counters
}
