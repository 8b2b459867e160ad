package sharing

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

// TestRetry: what another program holds is tried again, anything else is not.
func TestRetry(t *testing.T) {
	tries := 0
	err := Retry(func() error {
		if tries++; tries < 4 {
			return &os.PathError{Op: "open", Path: "x", Err: windows.ERROR_SHARING_VIOLATION}
		}
		return nil
	})
	if err != nil || tries != 4 {
		t.Errorf("%d tries, %v", tries, err)
	}
	tries = 0
	other := errors.New("other")
	if err := Retry(func() error { tries++; return other }); err != other || tries != 1 {
		t.Errorf("%d tries, %v", tries, err)
	}
}

// TestRemoveOfAnOpenFile: the file goes as soon as nobody has it open.
func TestRemoveOfAnOpenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	removed := make(chan error, 1)
	go func() { removed <- Remove(path) }()
	f.Close()
	if err := <-removed; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestLookAgain: what is missing beside its neighbour is looked for again, what nobody
// ever made is not.
func TestLookAgain(t *testing.T) {
	neighbour := filepath.Join(t.TempDir(), "lock")
	tries := 0
	missingTwice := func() error {
		if tries++; tries < 3 {
			return &os.PathError{Op: "open", Path: "x", Err: windows.ERROR_FILE_NOT_FOUND}
		}
		return nil
	}
	if err := LookAgain(neighbour, missingTwice); !errors.Is(err, os.ErrNotExist) || tries != 1 {
		t.Errorf("without a neighbour: %d tries, %v", tries, err)
	}
	if err := os.WriteFile(neighbour, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tries = 0
	if err := LookAgain(neighbour, missingTwice); err != nil || tries != 3 {
		t.Errorf("%d tries, %v", tries, err)
	}
	other := errors.New("other")
	tries = 0
	if err := LookAgain(neighbour, func() error { tries++; return other }); err != other || tries != 1 {
		t.Errorf("another error: %d tries, %v", tries, err)
	}
	missing := func() error { return os.ErrNotExist }
	if err := LookAgain(neighbour, missing); err != os.ErrNotExist {
		t.Errorf("one that stays away: %v", err)
	}
}
