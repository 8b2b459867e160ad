package sysfail

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestConnRefused asks the system itself.
func TestConnRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err == nil {
		conn.Close()
		t.Skip("somebody listens there already")
	}
	if !ConnRefused(fmt.Errorf("ask: %w", err)) {
		t.Errorf("not recognised: %v", err)
	}
}

// TestHungUp closes a connection whose words have not been read, and one that has
// said nothing.
func TestHungUp(t *testing.T) {
	for _, said := range []string{"", "a request"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, said)
		other, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		other.Close()
		if _, err := conn.Read(make([]byte, 1)); !HungUp(fmt.Errorf("ask: %w", err)) {
			t.Errorf("after %q, not recognised: %v", said, err)
		}
	}
	if HungUp(nil) || HungUp(fs.ErrNotExist) {
		t.Error("what is no end of a connection is taken for one")
	}
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	_, err := os.Stat(filepath.Join(dir, "no"))
	if !Missing(err) || Missing(nil) || Missing(fs.ErrPermission) {
		t.Errorf("a missing file: %v", err)
	}
	for _, unreachable := range unreachable {
		if Missing(&fs.PathError{Op: "open", Path: `\\server\share`, Err: unreachable}) {
			t.Errorf("taken for a missing file: %v", unreachable)
		}
	}
}

func TestNotDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadDir(file); !NotDirectory(err) && !Missing(err) {
		t.Errorf("not recognised: %v", err)
	}
}
