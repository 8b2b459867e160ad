package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rig that nobody plays proves nothing, and so it is with the other parts.
func TestCIPlaysEveryRig(t *testing.T) {
	script, err := os.ReadFile("../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	var played []string
	for _, line := range regexp.MustCompile(`go run \./rigs --quick ([a-z -]+)`).FindAllStringSubmatch(string(script), -1) {
		played = append(played, strings.Fields(line[1])...)
	}
	for _, r := range rigs() {
		if !slices.Contains(played, r.Name) {
			t.Errorf("%s is not played", r.Name)
		}
	}
	for _, part := range []string{".ci/release", ".ci/windows", "e2e/run.sh"} {
		if !regexp.MustCompile(`(?m)^(beside|tests) .*` + regexp.QuoteMeta(part)).Match(script) {
			t.Errorf("%s is not called", part)
		}
	}
}
