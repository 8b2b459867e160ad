package lockfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestExcludes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	if err := excludesAt(path); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without a file: %v", err)
	}
	if err := Excludes(dir, path); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("it left %v, %v", files, err)
	}
	unlock, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := excludesAt(path); err != nil {
		t.Errorf("while somebody has it: %v", err)
	}
	unlock()
	if err := excludesAt(path); err != nil {
		t.Errorf("while nobody has it: %v", err)
	}
	always := func() (bool, error) { return true, nil }
	if err := judgeLocks(always, always); !errors.Is(err, ErrNoExclusion) {
		t.Errorf("where both get it: %v", err)
	}
}
