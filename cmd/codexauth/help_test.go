package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/manual"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/sandbox"
)

// everyCommand calls do with each command that people see.
func everyCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			everyCommand(sub, do)
		}
	}
}

// Help fits the terminal: what can be broken is, and only examples, which people
// copy, and single words are wider.
func TestHelpFitsTheTerminal(t *testing.T) {
	for _, width := range []int{40, 60, 80, 100} {
		everyCommand(testApp().rootCommand(), func(cmd *cobra.Command) {
			text := manual.Help(cmd, width)
			text = strings.Replace(text, cmd.Example, "", 1)
			for line := range strings.SplitSeq(text, "\n") {
				alone := len(strings.Fields(line)) <= 2 || strings.HasPrefix(line, "  codexauth ")
				if len([]rune(line)) > width && !alone {
					t.Errorf("%s at %d columns: %q", cmd.CommandPath(), width, line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("%s at %d columns ends a line with a space: %q", cmd.CommandPath(), width, line)
				}
			}
		})
	}
}

// The flags of every command are explained in one place, and named in all others.
func TestGlobalFlagsAreExplainedOnce(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	flags := b.run(t, "help", "flags")
	if flags.code != verdict.Done || !strings.Contains(flags.stdout, "--ca-file FILE") || !strings.Contains(flags.stdout, "CODEXAUTH_CA_FILE") {
		t.Errorf("exit %d: %s", flags.code, flags.stdout)
	}
	everyCommand(testApp().rootCommand(), func(cmd *cobra.Command) {
		text := manual.Help(cmd, 80)
		if strings.Contains(text, "--ca-file FILE") || !strings.Contains(text, "--ca-file,") || !strings.Contains(text, "explains") {
			t.Errorf("%s: %s", cmd.CommandPath(), text)
		}
	})
}

// There is a page for each command, with all that its help tells, which mandoc has
// nothing against.
func TestManPages(t *testing.T) {
	b := newBox(t, sandbox.Config{})
	dir := filepath.Join(t.TempDir(), "man1")
	if r := b.run(t, "help", "--man-pages", dir); r.code != verdict.Done || r.stdout+r.stderr != "" {
		t.Fatalf("exit %d: %s%s", r.code, r.stdout, r.stderr)
	}
	text := map[string]string{}
	root := testApp().rootCommand()
	// As a release makes them, which has a date.
	if err := (manual.Pages{Root: root, Topics: topics(root), Version: "0.1.0", Date: "2026-11-27"}).Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range append(root.Commands(), root) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text[name] = strings.ReplaceAll(string(page), `\-`, "-")
	}
	for page, say := range map[string]string{
		"codexauth.1":       "CODEXAUTH_CA_FILE",
		"codexauth-serve.1": "codexauth serve key revoke NAME",
		"codexauth-token.1": "--min-valid",
	} {
		if !strings.Contains(text[page], say) {
			t.Errorf("%s does not say %q", page, say)
		}
	}
	if !strings.Contains(text["codexauth.1"], "the login is no longer accepted") {
		t.Error("codexauth.1 does not tell the exit codes")
	}
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Log("there is no mandoc: the pages' roff was not checked")
		return
	}
	for page := range text {
		// What to do about long lines of examples is for the reader's terminal.
		out, _ := exec.Command(mandoc, "-T", "lint", "-W", "warning", filepath.Join(dir, page)).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			t.Errorf("mandoc: %s", line)
		}
	}
}
