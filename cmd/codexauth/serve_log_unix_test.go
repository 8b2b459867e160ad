//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// Whoever has an answer finds its line in the log of a broker that was killed in that
// moment; and every line is one JSON object.
func TestLogSurvivesSIGKILL(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := b.command("--json", "serve", "--log-format", "json")
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	s := &served{}
	if err != nil || json.Unmarshal([]byte(line), s) != nil {
		t.Fatalf("it said %q, %v", line, err)
	}
	const requests = 25
	for range requests {
		if status, text := s.ask(t, "POST", "/token", ""); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		var entry struct{ Msg, Path, ID string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%v: %q", err, line)
		}
		if entry.Msg == "request" && entry.Path == "/token" && entry.ID != "" {
			n++
		}
	}
	if n != requests {
		t.Errorf("%d lines about %d requests", n, requests)
	}
}
