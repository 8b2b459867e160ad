package main

import (
	"os/exec"
	"testing"

	"codexauth/sandbox"
)

// A bash without the package bash-completion completes, too: commands, flags and
// the values of a flag behind =.
func TestBashCompletionAlone(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	b := newBox(t, sandbox.Config{})
	cmd := exec.Command(bash, "--norc", "--noprofile", "-i")
	cmd.Env = append(b.env, "PS1=ready> ", "TERM=dumb")
	term := atTerminal(t, cmd)
	term.await(t, "ready> ")
	term.typeIn(t, "source <(codexauth completion bash); echo sour''ced\n")
	term.await(t, "sourced")
	for _, tt := range []struct{ typed, completed string }{
		{"codexauth stor\t", "codexauth store "},
		{"codexauth store resea\t", "codexauth store reseal "},
		{"codexauth login --redirect-host=loc\t", "--redirect-host=localhost"},
		{"codexauth --store=file:x comple\t", "--store=file:x completion "},
		{"codexauth --store file:x comple\t", "--store file:x completion "},
	} {
		term.typeIn(t, tt.typed)
		term.await(t, tt.completed)
		term.typeIn(t, "\x15\n") // Ctrl-U
	}
	term.typeIn(t, "exit\n")
	term.end(t, 0)
}
