package main

import (
	"strings"
	"testing"
	"time"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

func TestLoginDeviceAtTerminal(t *testing.T) {
	b := newBox(t, sandbox.Config{NoDiscovery: true, DeviceInterval: time.Second})
	cmd := b.command("login", "--device", "--qr")
	cmd.Env = append(cmd.Env, "TERM=xterm")
	term := atTerminal(t, cmd)
	term.await(t, "15:00 left")
	screen := term.screen()
	for _, want := range []string{"\n\n  " + b.server.URL() + "/codex/device\n\n", "only if you started this sign-in yourself:\n\n  \x1b[1m" + shownCode(screen), "\x1b[38;5;231;48;5;16m█"} {
		if !strings.Contains(screen, want) {
			t.Errorf("%q is not on the screen: %q", want, screen)
		}
	}
	term.await(t, "\rWaiting for you, 14:59 left")
	if err := b.server.ApproveDevice(shownCode(screen), true); err != nil {
		t.Fatal(err)
	}
	term.await(t, "left (Ctrl-C cancels)… \nSigned in as dev@sandbox.test")
	term.end(t, verdict.Done)
	wantToken(t, b.run(t, "token"))
}

func TestLoginDeviceSlowedAtTerminal(t *testing.T) {
	b := newBox(t, sandbox.Config{NoDiscovery: true, DeviceInterval: time.Second})
	b.setFaults(t, "device-poll=503")
	term := atTerminal(t, b.command("login", "--device"))
	term.await(t, "… \ndevice sign-in: the server answered 503")
	term.await(t, "asking again in 2s\n\rWaiting for you")
	term.typeIn(t, "\x03")
	term.end(t, verdict.Cancelled)
}
