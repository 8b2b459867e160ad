//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/sandbox"
)

// Two brokers and six monitors share a login that another process finds refused: the
// program for events runs once, and once more when somebody has signed in.
func TestEventsAreToldOnce(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	shortHome(t, b)
	b.signIn(t, "default")
	dir := t.TempDir()
	out, program := filepath.Join(dir, "out"), filepath.Join(dir, "program")
	script := "#!/bin/sh\necho \"$CODEXAUTH_EVENT $CODEXAUTH_EVENT_CODE $*\" >>" + out + "\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	told := func() string { text, _ := os.ReadFile(out); return string(text) }
	onEvent := `["` + program + `","$(id);x"]`
	var all []*running
	for range 6 {
		m := b.start(t, "monitor", "--listen", "127.0.0.1:0", "--on-event", onEvent)
		m.await(t, "watching over")
		all = append(all, m)
	}
	for _, name := range []string{"a", "b"} {
		s := b.start(t, "serve", "--socket", filepath.Join(b.home, name+".sock"), "--on-event", onEvent)
		s.await(t, "serving on")
		all = append(all, s)
	}
	b.setFaults(t, "refuse=refresh_token_reused")
	b.run(t, "refresh")
	for _, r := range all {
		r.await(t, "event=refused")
	}
	const refused, recovered = "refused refresh_token_reused $(id);x\n", "recovered  $(id);x\n"
	eventually(t, "the program's run", func() bool { return told() != "" })
	b.server.ClearFaults()
	b.signIn(t, "default")
	for _, r := range all {
		r.await(t, "event=signed_in")
	}
	eventually(t, "the program's second run", func() bool { return strings.Contains(told(), recovered) })
	for _, r := range all {
		r.signal(t, os.Interrupt)
		r.end(t)
	}
	if got := told(); got != refused+recovered {
		t.Errorf("told about %q", got)
	}
}
