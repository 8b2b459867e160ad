package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func mustWrite(t *testing.T, path, data string) {
	t.Helper()
	if err := Write(path, []byte(data), Options{}); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("%s holds %.80q, want %.80q", path, got, want)
	}
}

// wantNames checks what is in a directory: a failed Write must leave nothing.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("%s contains %q, want %q", dir, got, want)
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != want {
		t.Fatalf("%s has mode %04o, want %04o", path, info.Mode().Perm(), want)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record")
	for _, data := range []string{"first", "", strings.Repeat("long ", 20000), "short"} {
		mustWrite(t, path, data)
		wantContent(t, path, data)
		wantMode(t, path, 0o600)
		wantNames(t, dir, "record")
	}
}

func TestWriteMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o666, 0o640, 0o600} {
		if err := Write(path, []byte("new"), Options{Mode: mode}); err != nil {
			t.Fatal(err)
		}
		wantMode(t, path, mode)
	}
}

func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(full, "child"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		full,                                  // a directory cannot be replaced by a file
		filepath.Join(dir, "missing", "file"), // no directory to write to
	} {
		err := Write(path, []byte("s3cret"), Options{})
		if err == nil {
			t.Fatalf("Write(%s) did not fail", path)
		}
		if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error %q should name the path and never the data", err)
		}
		var errno syscall.Errno
		if !errors.As(err, &errno) {
			t.Errorf("the error %q does not wrap the system's", err)
		}
	}
	wantNames(t, dir, "full")
}

// TestReadDuringWrites: readers see one of the whole contents, whatever happens.
func TestReadDuringWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	content := func(i int) string { return strings.Repeat(string(rune('a'+i)), 1+5000*i) }
	mustWrite(t, path, content(0))
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		writers.Go(func() {
			for range 10 {
				if err := Write(path, []byte(content(i)), Options{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			data, err := Read(path, 1<<20, nil)
			if err != nil || len(data) == 0 || string(data) != content(int(data[0]-'a')) {
				t.Errorf("Read gave %d bytes, %v", len(data), err)
				return
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	wantNames(t, filepath.Dir(path), "record")
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record")
	mustWrite(t, path, "0123456789")
	if data, err := Read(path, 10, nil); string(data) != "0123456789" || err != nil {
		t.Errorf("Read of the limit's length = %q, %v", data, err)
	}
	if data, err := Read(path, 9, nil); err == nil {
		t.Errorf("Read of more than the limit = %q, want an error", data)
	}
	refused := errors.New("refused")
	if _, err := Read(path, 10, func(fs.FileInfo) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("the check's error was lost: %v", err)
	}
	if _, err := Read(filepath.Join(dir, "missing"), 10, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file: %v", err)
	}
	if _, err := Read(dir, 10, nil); err == nil {
		t.Error("Read of a directory did not fail")
	}
	mustWrite(t, path, "")
	if data, err := Read(path, 10, nil); data == nil || len(data) != 0 || err != nil {
		t.Errorf("Read of an empty file = %q (nil: %t), %v", data, data == nil, err)
	}
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	mustWrite(t, path, "x")
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove of a missing file: %v", err)
	}
}

func TestClean(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	stay := []string{
		".codexauth-tmp-",                   // too short
		".codexauth-tmp-FEDCBA9876543210",   // not our digits
		".codexauth-tmp-0123456789abcdef.x", // too long
		"record", "tmp-0123456789abcdef",
	}
	for _, name := range append(stay, ".codexauth-tmp-0123456789abcdef") {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	young, err := createTemp(dir)
	if err != nil {
		t.Fatal(err)
	}
	young.Close()
	if !isTemp(filepath.Base(young.Name())) {
		t.Fatalf("%s is not recognised as a temporary file", young.Name())
	}
	Clean(dir, 10*time.Minute)
	for _, name := range append(stay, filepath.Base(young.Name())) {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s should have stayed: %v", name, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, ".codexauth-tmp-0123456789abcdef")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead writer's file is still there: %v", err)
	}
	Clean(filepath.Join(dir, "missing"), 0) // nothing to do, nothing to say
}

func TestTempNamesDiffer(t *testing.T) {
	dir := t.TempDir()
	for range 50 {
		f, err := createTemp(dir)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

func BenchmarkWrite(b *testing.B) {
	path := filepath.Join(b.TempDir(), "record")
	data := bytes.Repeat([]byte("r"), 4400)
	for b.Loop() {
		if err := Write(path, data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
