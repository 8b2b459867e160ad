package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// A program that reads standard output, and nothing else, drives a sign-in.
func TestLoginIsDriven(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  sandbox.Config
		args []string
		do   func(t *testing.T, b *box, event map[string]any)
		want string
	}{
		"browser": {sandbox.Config{}, []string{"--no-browser"}, func(t *testing.T, _ *box, e map[string]any) {
			if err := follow(t.Context(), e["url"].(string)); err != nil {
				t.Error(err)
			}
		}, "authorize signed_in"},
		"device": {sandbox.Config{DeviceInterval: time.Second}, []string{"--device"}, func(t *testing.T, b *box, e map[string]any) {
			if uri := e["verification_uri"].(string); !strings.HasPrefix(uri, b.server.URL()) {
				t.Errorf("the page is %s", uri)
			}
			if err := b.server.ApproveDevice(e["user_code"].(string), true); err != nil {
				t.Error(err)
			}
		}, "device_code signed_in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, tt.cfg)
			cmd := b.command(append([]string{"login", "--json"}, tt.args...)...)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() }) // an error: it has ended
			var names []string
			var last map[string]any
			for lines := bufio.NewScanner(stdout); lines.Scan(); {
				last = nil
				if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
					t.Fatalf("%v: %q", err, lines.Text())
				}
				names = append(names, last["event"].(string))
				if at, err := time.Parse(time.RFC3339, last["expires_at"].(string)); err != nil || at.Before(time.Now()) {
					t.Errorf("%s: it ends at %v, %v", lines.Text(), at, err)
				}
				if len(names) == 1 {
					tt.do(t, b, last)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if got := strings.Join(names, " "); got != tt.want || last["state"] != "valid" || last["email"] != "dev@sandbox.test" {
				t.Errorf("events %s, the last %v", got, last)
			}
			wantToken(t, b.run(t, "token"))
		})
	}
}

// Nobody waits for a person who could not be shown where to go.
func TestLoginWithoutItsDriver(t *testing.T) {
	b := newBox(t, sandbox.Config{DeviceInterval: time.Second})
	for _, way := range []string{"--no-browser", "--device"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		read.Close()
		cmd := b.command("login", "--json", way)
		cmd.Stdout = write
		r := finish(cmd)
		write.Close()
		if r.code != verdict.Failed || !strings.Contains(r.stderr, "standard output") {
			t.Errorf("%s: exit %d; it said %q", way, r.code, r.stderr)
		}
	}
	if r := b.run(t, "status"); r.code != verdict.SignedOut {
		t.Errorf("status: exit %d", r.code)
	}
}

// What goes wrong on the way is told, and the sign-in goes on.
func TestDriverHearsOfTrouble(t *testing.T) {
	b := newBox(t, sandbox.Config{NoDiscovery: true, DeviceInterval: time.Second})
	b.setFaults(t, "device-poll=503*1")
	cmd := b.command("login", "--json", "--device")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // an error: it has ended
	lines := json.NewDecoder(stdout)
	var code deviceCodeEvent
	var trouble noticeEvent
	if err := errors.Join(lines.Decode(&code), lines.Decode(&trouble)); err != nil {
		t.Fatal(err)
	}
	if trouble.Event != "slowed" || !strings.Contains(trouble.Message, "503") {
		t.Errorf("it told about %+v", trouble)
	}
	if err := b.server.ApproveDevice(code.UserCode, true); err != nil {
		t.Fatal(err)
	}
	var last signedInEvent
	if err := errors.Join(lines.Decode(&last), cmd.Wait()); err != nil || last.Event != "signed_in" {
		t.Errorf("it ends with %q: %v", last.Event, err)
	}
}
