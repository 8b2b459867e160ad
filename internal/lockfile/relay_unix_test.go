//go:build unix

package lockfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// inherited is the descriptor that a child would have.
func inherited(t *testing.T, r *Relay) *os.File {
	t.Helper()
	if r.File() == nil {
		t.Skip("this system's locks can't be passed on")
	}
	fd, err := syscall.Dup(int(r.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "inherited")
}

func wantBusy(t *testing.T, path string) {
	t.Helper()
	var busy *BusyError
	if _, err := TryLock(path); !errors.As(err, &busy) || busy.Holder.PID != os.Getpid() {
		t.Fatalf("the lock is not held by this process: %v", err)
	}
}

func wantFree(t *testing.T, path string) {
	t.Helper()
	unlock, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

// A lock that was passed on ends with the child's work, also while its parent
// still has it open, and not before, also when its parent has gone.
func TestRelay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	sleeping, err := TryRelay(path)
	if err != nil {
		t.Fatal(err)
	}
	unlock := Receive(inherited(t, sleeping), path)
	wantBusy(t, path)
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	wantFree(t, path)
	sleeping.Passed()

	r, err := TryRelay(path)
	if err != nil {
		t.Fatal(err)
	}
	child := inherited(t, r)
	r.Passed()
	if err := r.Unlock(); err != nil {
		t.Fatal(err)
	}
	wantBusy(t, path)
	child.Close()
	wantFree(t, path)
}

// A lock that nobody took over is its owner's to give back.
func TestRelayStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	r, err := TryRelay(path)
	if err != nil {
		t.Fatal(err)
	}
	wantBusy(t, path)
	var busy *BusyError
	if _, err := TryRelay(path); !errors.As(err, &busy) {
		t.Fatalf("a second one: %v", err)
	}
	if err := r.Unlock(); err != nil {
		t.Fatal(err)
	}
	wantFree(t, path)
}
