package broker

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"codexauth/internal/private"
)

// TestUnixSocketOnWindows: the socket stands where only this user gets in, is
// answered, is served once, and goes with its listener.
func TestUnixSocketOnWindows(t *testing.T) {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "sock", "b.sock")
	l, err := ListenUnix(path, nil)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := private.CheckDir(filepath.Dir(path)); err != nil {
		t.Error(err)
	}
	if _, err := ListenUnix(path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("once more: %v", err)
	}
	accepted := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			conn.Close()
		}
		accepted <- err
	}()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestOtherUsersOnWindows: nobody else can be let in, and nothing is made.
func TestOtherUsersOnWindows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock", "b.sock")
	if _, err := ListenUnix(path, []int{1000}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory was made: %v", err)
	}
}
