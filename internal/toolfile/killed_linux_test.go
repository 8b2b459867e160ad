package toolfile

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Variables of a child that does one thing to a file. All its system calls are then its
// first thread's, so that strace can count them.
const (
	actVar  = "CODEXAUTH_TEST_ACT"
	fileVar = "CODEXAUTH_TEST_FILE"
)

func init() {
	if os.Getenv(actVar) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if act := os.Getenv(actVar); act != "" {
		if err := do(act, os.Getenv(fileVar)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const undoing = "undo"

// do takes the settings back, or puts act in.
func do(act, path string) error {
	if act == undoing {
		_, err := Undo(path, line("two"))
		return err
	}
	p, err := Prepare(path, line(act), true)
	if err == nil {
		_, err = p.Make()
	}
	return err
}

// A cut is the nth of a system call, before which a process is killed.
type cut struct {
	call string
	nth  int
}

// changing are the calls that change what is in a directory, or make that last.
var changing = []string{"?renameat,?renameat2", "?unlinkat", "?fchmodat", "fsync"}

// killedAt has a child be killed at c, and reports whether it came by.
func killedAt(t *testing.T, strace, act, path string, c cut) bool {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), strace, "-qq", "-o", filepath.Join(t.TempDir(), "trace"),
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", c.call, c.nth), exe)
	cmd.Env = append(os.Environ(), actVar+"="+act, fileVar+"="+path, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	switch said := strings.ToLower(string(out)); {
	case strings.Contains(said, "ptrace"):
		t.Skipf("strace may not trace here: %s", out)
	case said != "":
		t.Fatalf("%s: %v", out, err)
	}
	return err != nil
}

// Killed before whichever of its writes, a setup and an undo lose nothing: the next
// undo leaves what stood there before, byte for byte, with its mode and with nothing
// beside it; so does the one after another setup, which goes on.
func TestKilledAtEachWrite(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	for _, c := range []killing{
		{"set up", "mine\n", "", "two"},
		{"where there was no file", "", "", "two"},
		{"set up differently", "mine\n", "one", "two"},
		{"taken back", "mine\n", "two", undoing},
		{"taken back where there was no file", "", "two", undoing},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kills := 0
			for _, call := range changing {
				for at := (cut{call, 1}); c.play(t, strace, at); at.nth++ {
					kills++
				}
			}
			if kills < 4 {
				t.Errorf("it was killed %d times, so this shows nothing", kills)
			}
		})
	}
}

// killing is what is killed, in a file that held before and was set up with first.
type killing struct{ name, before, first, act string }

// play kills it at one place, and reports whether it came by.
func (k killing) play(t *testing.T, strace string, at cut) bool {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if k.before != "" {
		write(t, path, k.before, 0o644)
	}
	if k.first != "" {
		setUp(t, path, line(k.first), true)
	}
	if !killedAt(t, strace, k.act, path, at) {
		return false
	}
	when := fmt.Sprintf("killed at %v", at)
	again := filepath.Join(t.TempDir(), "d")
	if err := os.CopyFS(again, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	copyModes(t, dir, again)
	takenBack(t, path, k.before, when)
	path = filepath.Join(again, "f")
	setUp(t, path, line("two"), true)
	if got := content(t, path); got != "two\n"+k.before {
		t.Errorf("%s, set up again: %q", when, got)
	}
	if f, err := Read(path); err != nil || f.Exposed() {
		t.Errorf("%s, others can read it: %v", when, err)
	}
	takenBack(t, path, k.before, when+" and set up again")
	return true
}

// copyModes makes the copied files' modes those of the originals.
func copyModes(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil {
			err = os.Chmod(filepath.Join(to, e.Name()), info.Mode())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// takenBack undoes, an hour later, and looks at what there is then.
func takenBack(t *testing.T, path, before, when string) {
	t.Helper()
	temps, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".codexauth-tmp-*"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * staleTemp)
	for _, temp := range temps {
		if err := os.Chtimes(temp, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Undo(path, line("two")); err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	f, err := Read(path)
	want := map[bool]string{true: "f"}[before != ""]
	if err != nil || f.Text != before || strings.Join(names, " ") != want || before != "" && f.Mode != fs.FileMode(0o644) {
		t.Errorf("%s and taken back: %q, mode %v, files %q, %v", when, f.Text, f.Mode, names, err)
	}
}
