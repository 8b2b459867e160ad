//go:build unix

package lockfile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The variables that make this test binary a child with a role and a lock.
const (
	roleVar = "LOCKFILE_TEST_ROLE"
	pathVar = "LOCKFILE_TEST_PATH"
)

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVar); role {
	case "":
		os.Exit(m.Run())
	case "linger": // until whoever holds the other end of the pipe is gone
		_, err = io.Copy(io.Discard, os.Stdin)
	case "hold", "hold with a child":
		err = hold(role == "hold with a child")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// hold takes the lock, starts a child if it is told to, prints a line and waits.
func hold(withChild bool) error {
	if _, err := TryLock(os.Getenv(pathVar)); err != nil {
		return err
	}
	if withChild {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), roleVar+"=linger")
		child.Stdin = os.Stdin
		child.Stdout = os.Stdout // its end tells the test that the child has ended
		if err := child.Start(); err != nil {
			return err
		}
	}
	fmt.Println("held")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// startHolder returns a process that holds the lock, its standard input and its
// standard output.
func startHolder(t *testing.T, role, path string) (*exec.Cmd, io.Closer, io.Reader) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), roleVar+"="+role, pathVar+"="+path,
		"GORACE=atexit_sleep_ms=0") // or the race detector adds a second to every exit
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	cmd.Stdout = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	out := bufio.NewReader(read)
	if line, err := out.ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder said %q, %v", line, err)
	}
	return cmd, in, out
}

// TestKilled: the lock of a process that was killed is free at once.
func TestKilled(t *testing.T) {
	path := lockPath(t)
	for range 5 {
		holder, _, _ := startHolder(t, "hold", path)
		if h := wantHeld(t, path); h.PID != holder.Process.Pid {
			t.Errorf("held by %v, want process %d", h, holder.Process.Pid)
		}
		holder.Process.Kill()
		holder.Wait()
		unlock, err := TryLock(path)
		if err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, unlock)
	}
}

// TestStopped: a holder that stalls keeps its lock.
func TestStopped(t *testing.T) {
	path := lockPath(t)
	holder, in, _ := startHolder(t, "hold", path)
	if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(holder.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the holder did not stop: %v, %v", status, err)
	}
	wantHeld(t, path)
	if err := holder.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := holder.Wait(); err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, mustLock(t, path))
}

// TestNotInherited: a child that outlives a killed holder does not keep the lock.
func TestNotInherited(t *testing.T) {
	path := lockPath(t)
	holder, in, out := startHolder(t, "hold with a child", path)
	wantHeld(t, path)
	holder.Process.Kill()
	holder.Process.Wait() // and not holder.Wait, which closes the child's input
	unlock, err := TryLock(path)
	if err != nil {
		t.Fatalf("with the holder dead and its child alive: %v", err)
	}
	mustUnlock(t, unlock)
	in.Close()
	if rest, err := io.ReadAll(out); err != nil || len(rest) != 0 {
		t.Errorf("the child said %q, %v", rest, err)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "lock")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	unlock, err := TryLock(link)
	if err == nil {
		unlock()
		t.Error("a symbolic link was followed")
	} else if !strings.Contains(err.Error(), link) {
		t.Errorf("the error %q does not name the file", err)
	}
	if got, err := os.ReadFile(target); string(got) != "precious" || err != nil {
		t.Errorf("the target holds %q, %v", got, err)
	}
	// Nor is a file made where a link leads to that nothing is at.
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Remove(target))
	for name, try := range map[string]func() error{
		"TryLock":  func() error { _, err := TryLock(link); return err },
		"TryRelay": func() error { _, err := TryRelay(link); return err },
	} {
		if err := try(); err == nil {
			t.Errorf("%s followed a link that leads nowhere", name)
		}
		if _, err := os.Lstat(target); !os.IsNotExist(err) {
			t.Errorf("%s made the file that a link leads to: %v", name, err)
			must(os.Remove(target))
		}
	}
}

func TestPipe(t *testing.T) {
	path := lockPath(t)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("cannot make a pipe here: %v", err)
	}
	if unlock, err := TryLock(path); err == nil {
		unlock()
		t.Error("a pipe was locked")
	}
}

// TestUmask: a lock file that this user could not open again would lock for ever.
func TestUmask(t *testing.T) {
	path := lockPath(t)
	old := syscall.Umask(0o777)
	t.Cleanup(func() { syscall.Umask(old) })
	mustUnlock(t, mustLock(t, path))
	mustUnlock(t, mustLock(t, path))
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("the lock file's mode is %v, want 0600", info.Mode())
	}
}
