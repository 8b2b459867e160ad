package rig

import (
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Mark is a variable that a command's descendants inherit, whatever else they
// do to get away.
type Mark string

// NewMark returns a mark of its own.
func NewMark(t testing.TB) Mark {
	t.Helper()
	if own, err := os.ReadFile("/proc/self/environ"); err != nil || len(own) == 0 {
		t.Skip("this system shows no environments in /proc")
	}
	return Mark("CODEXAUTH_E2E_MARK=" + rand.Text())
}

// A Process is one that bears a mark.
type Process struct {
	PID          int
	Command, Env string // separated by spaces and by line ends
}

// Processes returns those that bear the mark now.
func (m Mark) Processes() []Process {
	var marked []Process
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(env), string(m)) {
			continue // it is another one, or has just ended
		}
		dir := filepath.Dir(file)
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(command) == 0 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		marked = append(marked, Process{pid, strings.ReplaceAll(string(command), "\x00", " "), strings.ReplaceAll(string(env), "\x00", "\n")})
	}
	return marked
}

// WatchEnvironments looks at the environments of the processes with the mark
// again and again. stop ends that and returns each one seen, by its command.
func (m Mark) WatchEnvironments() (stop func() map[string]string) {
	end, result := make(chan struct{}), make(chan map[string]string, 1)
	go func() {
		seen := map[string]string{}
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for {
			for _, p := range m.Processes() {
				seen[p.Command] = p.Env
			}
			select {
			case <-end:
				result <- seen
				return
			case <-ticks.C:
			}
		}
	}()
	return func() map[string]string {
		close(end)
		return <-result
	}
}

// AwaitNone waits until no process bears the mark.
func (m Mark) AwaitNone(t testing.TB) {
	t.Helper()
	left := map[string]bool{}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		clear(left)
		for _, p := range m.Processes() {
			left[p.Command] = true
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("10 s after its end there is still %q", slices.Collect(maps.Keys(left)))
			return
		}
	}
}
