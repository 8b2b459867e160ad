package ui

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestRelative(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                              "now",
		400 * time.Millisecond:         "now",
		time.Second:                    "in 1 second",
		-90 * time.Second:              "90 seconds ago",
		-3 * time.Minute:               "3 minutes ago",
		time.Hour - 3*time.Second:      "in 60 minutes",
		90 * time.Minute:               "in 90 minutes",
		2*time.Hour - time.Millisecond: "in 2 hours",
		10*24*time.Hour - time.Minute:  "in 10 days",
	} {
		if got := Relative(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// A prompt reads its line and leaves the rest to whoever reads next.
func TestReadLine(t *testing.T) {
	r := strings.NewReader("yes\nrest")
	if got := ReadLine(r); got != "yes" {
		t.Errorf("%q", got)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("left %q", rest)
	}
	if got := ReadLine(strings.NewReader("no end")); got != "no end" {
		t.Errorf("%q", got)
	}
}
