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
		if _, _, err := direct(batch, []string{"plain", "--flag=value", `C:\a b\c`}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, bad := range []string{`fix "this & echo INJECTED`, "%PATH%", "a\nb", "a|b", "^", "x > y", "!x!", "(x)"} {
			if _, _, err := direct(batch, []string{"exec", bad}); err == nil {
				t.Errorf("%s gets %q", name, bad)
			}
		}
	}
	node, script := write("node.exe", ""), write(`node_modules\codex\bin\codex.js`, "")
	shim := write("codex.cmd", `"%_prog%"  "%dp0%\node_modules\codex\bin\codex.js" %*`)
	command, before, err := direct(shim, []string{`fix "this & echo INJECTED`})
	if command != node || !slices.Equal(before, []string{script}) || err != nil {
		t.Errorf("behind npm's file: %q %q, %v", command, before, err)
	}
}
