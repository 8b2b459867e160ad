package login

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// What is exported opens what $BROWSER names, and nothing but web addresses.
func TestOpenBrowser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell script stands for the browser")
	}
	dir := t.TempDir()
	opener := filepath.Join(dir, "opener")
	if err := os.WriteFile(opener, []byte("#!/bin/sh\nprintf %s \"$1\" > \"$0.saw\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BROWSER", opener)
	if !CanOpenBrowser() {
		t.Error("$BROWSER is not enough")
	}
	if err := OpenBrowser("http://127.0.0.1:1/start?a=b"); err != nil {
		t.Fatal(err)
	}
	if saw, _ := os.ReadFile(opener + ".saw"); string(saw) != "http://127.0.0.1:1/start?a=b" {
		t.Errorf("it was given %q", saw)
	}
	if OpenBrowser("file:///etc/passwd") == nil {
		t.Error("a file was opened")
	}
}
