package main

import (
	"os"
	"testing"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// Where the Codex CLI is not signed in, a person is asked whether the only login of
// another tool is meant. Nothing is moved on a no.
func TestImportAsks(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	path := b.plantOpencode(t)
	before, _ := os.ReadFile(path)
	term := atTerminal(t, b.command("import"))
	term.await(t, "Move the login of opencode, dev@sandbox.test (plus), here? Opencode is then signed out. [y/N] ")
	term.typeIn(t, "n\n")
	term.end(t, verdict.Cancelled)
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("a no changed the file")
	}
	term = atTerminal(t, b.command("import"))
	term.await(t, "[y/N] ")
	term.typeIn(t, "y\n")
	term.end(t, verdict.Done)
	if r := b.run(t, "refresh"); r.code != verdict.Done {
		t.Error(r.stderr)
	}
	if rest, _ := os.ReadFile(path); string(rest) != `{"other":{"key":"PLANTED","type":"api"}}` {
		t.Errorf("the file holds %s", rest)
	}
}
