package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRoom(t *testing.T) {
	for name, size := range map[string]int{"smaller": 100, "as large": 64 << 10, "larger": 200 << 10, "nothing": 0} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "record")
			mustWrite(t, path, "old")
			r, err := Reserve(dir, 64<<10)
			if err != nil {
				t.Fatal(err)
			}
			if r.Used() {
				t.Error("it is used already")
			}
			wantContent(t, path, "old")
			data := string(bytes.Repeat([]byte("d"), size))
			if err := r.Replace(path, []byte(data)); err != nil {
				t.Fatal(err)
			}
			wantContent(t, path, data)
			wantMode(t, path, 0o600)
			wantNames(t, dir, "record")
			if !r.Used() || r.Replace(path, []byte("twice")) == nil {
				t.Error("it can be used twice")
			}
			r.Release()
			wantContent(t, path, data)
		})
	}
}

func TestRoomReleased(t *testing.T) {
	dir := t.TempDir()
	r, err := Reserve(dir, 100)
	if err != nil {
		t.Fatal(err)
	}
	r.Release()
	r.Release()
	wantNames(t, dir)
	if _, err := Reserve(filepath.Join(dir, "missing"), 100); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that is missing: %v", err)
	}
}

// After a failure the room is still there, and a shorter text leaves nothing of a
// longer one behind.
func TestRoomAfterAFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := Reserve(dir, 100)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Replace(path, []byte("a longer text")); err == nil || r.Used() {
		t.Fatalf("error %v, used %v", err, r.Used())
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := r.Replace(path, []byte("short")); err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "short")
	wantNames(t, dir, "record")
}
