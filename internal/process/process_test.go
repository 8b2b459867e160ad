package process

import (
	"os"
	"os/exec"
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
