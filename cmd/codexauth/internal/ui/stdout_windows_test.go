package ui

import (
	"os"
	"path/filepath"
	"testing"
)

// TestIsNull: a pipe and a file are not the null device.
func TestIsNull(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for f, want := range map[*os.File]bool{write: false, file: false, null: true} {
		if isNull(f) != want || isClosed(f) {
			t.Errorf("%s: null %v, closed %v", f.Name(), isNull(f), isClosed(f))
		}
	}
}
