package process

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// tells: this system says of processes that they have ended; leaves: it has witnesses.
const (
	tells  = runtime.GOOS == "linux" || runtime.GOOS == "darwin" || runtime.GOOS == "windows"
	leaves = runtime.GOOS == "linux" || runtime.GOOS == "darwin"
)

// lingerVar makes TestGone a child that lives until its standard input ends.
const lingerVar = "PROCESS_TEST_LINGER"

func lingerer(t *testing.T) (*exec.Cmd, io.Closer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestGone$")
	cmd.Env = append(os.Environ(), lingerVar+"=1", "GORACE=atexit_sleep_ms=0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in
}

func TestGone(t *testing.T) {
	if os.Getenv(lingerVar) != "" {
		io.Copy(io.Discard, os.Stdin)
		return
	}
	me := os.Getpid()
	if Gone(Machine(), me, Start(me)) {
		t.Error("this very process is gone")
	}
	cmd, in := lingerer(t)
	pid := cmd.Process.Pid
	started := Start(pid)
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if tells && (started == "" || started == "gone") {
		t.Fatalf("Start of a child = %q", started)
	}
	if got, want := Gone(Machine(), pid, started), tells; got != want {
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
	if tells && !Gone(Machine(), me, "1") {
		t.Error("a pid that has been given to another process is not gone")
	}
}

// TestWitness: what proves a death here proves nothing on a twin of this machine,
// where the file is missing.
func TestWitness(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	w := NewWitness()
	if !leaves {
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
