package main

import (
	"regexp"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// At a terminal doctor shows what calls for something, and what it counted; with --all,
// and to a pipe, everything.
func TestDoctorAtTerminal(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	b.signIn(t, "default")
	if r := b.run(t, "refresh"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	b.server.RevokeAll()
	b.run(t, "refresh")
	piped := b.run(t, "doctor").stdout
	summary := regexp.MustCompile(`\n[1-9]\d* problems?, (?:no|\d+) warnings?(.*)\.\n$`)
	for _, all := range []bool{false, true} {
		args := []string{"doctor"}
		if all {
			args = append(args, "--all")
		}
		term := atTerminal(t, b.command(args...))
		term.await(t, "warning")
		term.end(t, 1)
		screen := term.screen()
		if said := summary.FindStringSubmatch(screen); said == nil || strings.Contains(said[1], "--all") == all {
			t.Errorf("%v ends with %q", args, screen[strings.LastIndex(strings.TrimSpace(screen), "\n")+1:])
		}
		if !strings.Contains(screen, "problem") || !strings.Contains(screen, "-> ") || strings.Contains(screen, "ok     ") != all {
			t.Errorf("%v shows %q", args, screen)
		}
	}
	if !strings.Contains(piped, "ok     ") {
		t.Errorf("a pipe gets %q", piped)
	}
}
