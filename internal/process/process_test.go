package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestGone(t *testing.T) {
	me := os.Getpid()
	if Gone(Machine(), me, Start(me)) {
		t.Error("this very process is gone")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	started := Start(pid)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" && (started == "" || started == "gone") {
		t.Fatalf("Start of a child = %q", started)
	}
	if got, want := Gone(Machine(), pid, started), runtime.GOOS == "linux"; got != want {
		t.Errorf("Gone of a child that has ended = %v", got)
	}
	for name, gone := range map[string]bool{
		"another machine's":            Gone("another", pid, started),
		"one that was not recorded":    Gone(Machine(), pid, ""),
		"one of an unknown machine":    Gone("", pid, started),
		"one that runs, as it started": Gone(Machine(), me, Start(me)),
	} {
		if gone {
			t.Errorf("a process was taken for gone: %s", name)
		}
	}
	if runtime.GOOS == "linux" && !Gone(Machine(), me, "1") {
		t.Error("a pid that has been given to another process is not gone")
	}
}

// TestWitness: what proves a death here proves nothing on a twin of this machine,
// where the file is missing.
func TestWitness(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	w := NewWitness()
	if runtime.GOOS != "linux" {
		if w.Path != "" || Left("/x/alive-1") {
			t.Error("a witness where nobody is taken for dead")
		}
		return
	}
	if w.Path == "" {
		t.Fatal("no witness")
	}
	if Left(w.Path) {
		t.Error("this very process is gone")
	}
	other := NewWitness()
	if other.Path == w.Path {
		t.Error("two processes have one name")
	}
	other.Remove()
	if Left(other.Path) {
		t.Error("a missing file proves a death")
	}
	// As its process left it: there, and the lock is free.
	dead := filepath.Join(filepath.Dir(w.Path), "alive-dead")
	if err := os.WriteFile(dead, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !Left(dead) {
		t.Error("a witness that nobody holds proves nothing")
	}
	for _, bad := range []string{"", "alive-dead", filepath.Dir(w.Path), "/etc/passwd"} {
		if Left(bad) {
			t.Errorf("%q proves a death", bad)
		}
	}
	if err := os.Chmod(filepath.Dir(w.Path), 0o777); err != nil {
		t.Fatal(err)
	}
	if Left(dead) || NewWitness().Path != "" {
		t.Error("a directory that others can write is believed")
	}
	w.Remove()
}
