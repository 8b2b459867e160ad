package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestBatchFileGetsNoCommand: an argument that cmd.exe would read as a command
// never reaches a batch file.
func TestBatchFileGetsNoCommand(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, name := range []string{"tool.cmd", "Tool.BAT"} {
		batch := write(name, "@echo off\r\necho %*\r\n")
		if _, _, err := direct("tool", batch, []string{"plain", "--flag=value", `C:\a b\c`}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, bad := range []string{`fix "this & echo INJECTED`, "%PATH%", "a\nb", "a|b", "^", "x > y", "!x!", "(x)"} {
			if _, _, err := direct("tool", batch, []string{"exec", bad}); err == nil {
				t.Errorf("%s gets %q", name, bad)
			}
		}
	}
	node, script := write("node.exe", ""), write(`node_modules\codex\bin\codex.js`, "")
	shim := write("codex.cmd", `"%_prog%"  "%dp0%\node_modules\codex\bin\codex.js" %*`)
	command, before, err := direct("codex", shim, []string{`fix "this & echo INJECTED`})
	if command != node || !slices.Equal(before, []string{script}) || err != nil {
		t.Errorf("behind npm's file: %q %q, %v", command, before, err)
	}
}

// TestBatchFileOfABadName: neither does its own name, which goes without quotation
// marks where it has no blank.
func TestBatchFileOfABadName(t *testing.T) {
	for path, bad := range map[string]string{
		`C:\tools\tool.cmd`: "", `C:\Program Files (x86)\R & D\tool.cmd`: "", `..\a-b_c~1\tool.cmd`: "",
		`C:\R&D\tool.cmd`: "&", `C:\R^D\tool.cmd`: "^", `C:\a;b\tool.cmd`: ";", `C:\a,b\tool.cmd`: ",", `C:\a=b\tool.cmd`: "=",
		`C:\%TEMP%\tool.cmd`: "%", `C:\R & D %TEMP%\tool.cmd`: "%", `C:\a(b)\tool.cmd`: "(",
	} {
		if got := inCommandName(path); got != bad {
			t.Errorf("%s: %q, want %q", path, got, bad)
		}
		_, _, err := direct(path, path, nil)
		if (err == nil) != (bad == "") {
			t.Errorf("%s: %v", path, err)
		}
		if _, _, err := direct(path, `C:\a b\tool.cmd`, nil); (err == nil) != (bad == "") {
			t.Errorf("called as %s: %v", path, err)
		}
	}
}
