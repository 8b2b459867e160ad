package rig

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// WatchCommandLines looks at the command lines of all processes of this machine
// some hundred times a second, as anybody who may log in there can. stop ends
// that and returns each one seen, its arguments separated by spaces.
func WatchCommandLines(t testing.TB) (stop func() []string) {
	t.Helper()
	if own, err := os.ReadFile("/proc/self/cmdline"); err != nil || len(own) == 0 {
		t.Skip("this system shows no command lines in /proc")
	}
	end, seen := make(chan struct{}), make(chan []string, 1)
	go func() {
		lines := map[string]bool{}
		ticks := time.NewTicker(3 * time.Millisecond)
		defer ticks.Stop()
		for {
			noteCommandLines(lines)
			select {
			case <-end:
				seen <- slices.Collect(maps.Keys(lines))
				return
			case <-ticks.C:
			}
		}
	}()
	return func() []string {
		close(end)
		return <-seen
	}
}

func noteCommandLines(lines map[string]bool) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && len(content) > 0 { // else it has just ended
			lines[strings.ReplaceAll(strings.TrimRight(string(content), "\x00"), "\x00", " ")] = true
		}
	}
}
