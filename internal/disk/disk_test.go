package disk

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestExisting(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir: dir, filepath.Join(dir, "a", "b"): dir, string(filepath.Separator): string(filepath.Separator),
	} {
		if got := Existing(path); got != want {
			t.Errorf("Existing(%q) = %q", path, got)
		}
	}
}

func TestWritableLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := Writable(dir); err != nil && !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	after, err := os.Stat(dir)
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("it changed from %v to %v, %v", before, after, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it left %v, %v", entries, err)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && runtime.GOOS != "windows" {
		t.Skip("this system does not tell")
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if err := Writable(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Writable: %v", err)
	}
	if _, err := Network(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Network: %v", err)
	}
	if _, known := Free(missing); known {
		t.Error("Free knows")
	}
	if bytes, known := Free(t.TempDir()); !known || bytes == 0 {
		t.Errorf("Free = %d, %v", bytes, known)
	}
	if name, err := Network(t.TempDir()); name != "" || err != nil {
		t.Logf("the temporary directory is on %q, %v", name, err)
	}
}
