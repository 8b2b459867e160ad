package settingup

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"codexauth/internal/service"
)

// What stands in a unit makes no line of its own there.
func TestAddressMakesNoLine(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:80\nExecStartPre=x", "[::1%x\ny]:80", "127.0.0.1:http", "127.0.0.1:0", "127.0.0.1:65536"} {
		if got, err := loopbackOnly(listen); err == nil {
			t.Errorf("%q is taken as %q", listen, got)
		}
	}
	if got, err := loopbackOnly("[::1]:8461"); got != "[::1]:8461" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Where a file of the service can't be written, the others are as they were.
func TestServiceFilesComeBack(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a script stands in for systemctl, and Windows runs none")
	}
	home, bin := t.TempDir(), t.TempDir()
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	content := func(path string) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write(filepath.Join(bin, "systemctl"), "#!/bin/sh\n", 0o700)
	t.Setenv("PATH", bin)
	a := filepath.Join(home, "a")
	write(a, "after", 0o600)
	was := before{{Path: a, Text: []byte("before")}, {Path: filepath.Join(home, "b")}}
	if err := was.restore(); err != nil || content(a) != "before" {
		t.Errorf("%v", err)
	}
	files := []service.File{{Path: a, Text: []byte("after")}, {Path: filepath.Join(a, "no directory", "b"), Text: []byte("x")}}
	if err := installService(t.Context(), systemd{home}, files, before{{Path: a, Text: []byte("before")}, {Path: files[1].Path}}); err == nil || content(a) != "before" {
		t.Errorf("%v: %q", err, content(a))
	}
}
