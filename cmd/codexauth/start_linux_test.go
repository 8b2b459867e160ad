package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// What a package makes for itself at the start, every `codexauth token` waits for. A
// table can be a switch, and an error that is put together the result of a function.
func TestNoPackageMakesAnythingAtTheStart(t *testing.T) {
	cmd := newBox(t, sandbox.Config{}).command("version")
	cmd.Env = append(cmd.Env, "GODEBUG=inittrace=1")
	var told strings.Builder
	cmd.Stderr = &told
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	traced := regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes`).FindAllStringSubmatch(told.String(), -1)
	if len(traced) < 50 {
		t.Fatalf("only %d packages are traced: %s", len(traced), told.String())
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	ours := strings.Fields(string(out))
	if len(ours) < 50 {
		t.Fatalf("only %d packages are ours", len(ours))
	}
	for _, m := range traced {
		if slices.Contains(ours[:len(ours)-1], m[1]) && m[2] != "0" { // the last is main, with its tests in it
			t.Errorf("%s makes %s bytes at every start", m[1], m[2])
		}
	}
}
