//go:build unix

package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The variables that make this test binary a child that writes to a file under
// some hardship.
const (
	hardshipVar = "ATOMICFILE_TEST_HARDSHIP"
	pathVar     = "ATOMICFILE_TEST_PATH"
)

// Hardships that are none: something else is done than a write.
const (
	removing = "removing"
	inARoom  = "in a room"
)

const newContent = "the new content, some thirty bytes"

func TestMain(m *testing.M) {
	hardship := os.Getenv(hardshipVar)
	if hardship == "" {
		os.Exit(m.Run())
	}
	if err := writeUnder(hardship, os.Getenv(pathVar)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func writeUnder(hardship, path string) error {
	runtime.LockOSThread() // whoever traces this process counts calls by thread
	move := rename
	switch hardship {
	case "none":
	case "killed before the rename":
		move = func(string, string) error {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	case "files limited to 10 bytes":
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 10, Max: 10}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return err
		}
	}
	err := act(hardship, path, move)
	for _, want := range []error{syscall.EFBIG, syscall.EIO, syscall.ENOSPC, io.ErrShortWrite} {
		if errors.Is(err, want) {
			return fmt.Errorf("[%v] %w", want, err)
		}
	}
	return err
}

// act does what is to succeed or to fail.
func act(hardship, path string, move func(from, to string) error) error {
	switch hardship {
	case removing:
		return Remove(path)
	case inARoom:
		r, err := Reserve(filepath.Dir(path), 64<<10)
		if err != nil {
			return err
		}
		defer r.Release()
		return r.Replace(path, []byte(newContent))
	}
	return write(path, []byte(newContent), Options{}, move)
}

func childUnder(t *testing.T, hardship, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), hardshipVar+"="+hardship, pathVar+"="+path,
		"GORACE=atexit_sleep_ms=0") // or the race detector adds a second to every exit
	return cmd
}

func TestKilledBeforeRename(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record")
	mustWrite(t, path, "old")
	out, err := childUnder(t, "killed before the rename", path).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v %s", err, out)
	}
	wantContent(t, path, "old")
	temps, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	if err != nil || len(temps) != 1 {
		t.Fatalf("want the dead writer's temporary file, got %q, %v", temps, err)
	}
	wantContent(t, temps[0], newContent) // synced before the rename
	mustWrite(t, path, "next")
	wantContent(t, path, "next")
	Clean(dir, -time.Minute) // everything is older than that
	wantNames(t, dir, "record")
}

// TestFileTooLarge has the kernel take a part of the data and refuse the rest.
func TestFileTooLarge(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record")
	mustWrite(t, path, "old")
	out, err := childUnder(t, "files limited to 10 bytes", path).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "["+syscall.EFBIG.Error()+"]") {
		t.Fatalf("want EFBIG, got %v: %s", err, out)
	}
	wantContent(t, path, "old")
	wantNames(t, dir, "record")
}

func TestWriteReplacesSymlink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	mustWrite(t, target, "theirs")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(link, 100, nil); err == nil {
		t.Error("Read followed a symbolic link")
	}
	mustWrite(t, link, "ours")
	wantContent(t, target, "theirs")
	wantContent(t, link, "ours")
	wantMode(t, link, 0o600)
}

// TestReadPipe: opening a pipe would wait for its writer.
func TestReadPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("cannot make a pipe here: %v", err)
	}
	if _, err := Read(path, 100, nil); err == nil {
		t.Error("Read of a pipe did not fail")
	}
}

func TestUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	old := syscall.Umask(0o777)
	defer syscall.Umask(old)
	mustWrite(t, path, "x")
	wantMode(t, path, 0o600)
}

func TestCannotSync(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, syscall.EIO: false, syscall.ENOSPC: false,
		syscall.EINVAL: true, syscall.ENOTSUP: true, syscall.ENOTTY: true,
		&os.PathError{Op: "sync", Path: "dir", Err: syscall.ENOTTY}: true,
	} {
		if got := cannotSync(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
