package main

import (
	"os"
	"path/filepath"
	"testing"

	"codexauth/internal/rig"
)

// A process whose answer overtook the note that its request was written did not
// stop where it should have: its trial is played again.
func TestRanOnPastTheRequest(t *testing.T) {
	m := moment{"request-written", 2}
	const first = "claimed 7 1\nbefore-send 7 2\nrequest-written 7 3\nheaders-read 7 4\nbefore-send 7 5\n"
	for name, test := range map[string]struct {
		log  string
		pid  int
		last bool
	}{
		"not yet":             {first, 0, false},
		"stands":              {first + "request-written 7 6\n", 7, true},
		"another's answer":    {"before-send 8 1\nrequest-written 8 2\n" + first + "headers-read 8 5\nrequest-written 7 6\n", 7, false},
		"ran on after it":     {first + "request-written 7 6\nheaders-read 7 7\n", 7, false},
		"ran on before it":    {first + "headers-read 7 6\nbody-read 7 7\nrequest-written 7 8\n", 7, false},
		"ended without it":    {first + "headers-read 7 6\nbody-read 7 7\nreleased 7 8\n", 7, false},
		"an answer unasked":   {first + "request-written 7 6\nheaders-read 9 7\n", 7, false},
		"noted late, in turn": {"before-send 7 1\nheaders-read 7 2\nrequest-written 7 3\nbefore-send 7 4\nrequest-written 7 5\n", 7, true},
	} {
		trial := &trial{Trial: rig.Trial{Dir: t.TempDir()}}
		if err := os.WriteFile(filepath.Join(trial.Dir, "points"), []byte(test.log), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, last := trial.reached(m); pid != test.pid || last != test.last {
			t.Errorf("%s: process %d, its last point: %v", name, pid, last)
		}
	}
}
