package resident

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func newBounded(t *testing.T, most int64) (l *BoundedLog, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "log")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return NewBoundedLog(f, path, most), path
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whatever is logged, and by however many at once, the log and the older one beside it
// stay within their bounds, are this user's alone, and hold the latest lines, each whole
// and once.
func TestBoundedLog(t *testing.T) {
	const most, writers, each = 4 << 10, 8, 200
	l, path := newBounded(t, most)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if _, err := fmt.Fprintf(l, "line %d %d\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	older, log := textOf(t, path+".1"), textOf(t, path)
	if len(older) > most || len(log) > most || len(older) < most/2 || log == "" {
		t.Errorf("%d and %d bytes", len(older), len(log))
	}
	last := map[string]int{} // of each writer, the last line seen
	for line := range strings.SplitSeq(strings.TrimSuffix(older+log, "\n"), "\n") {
		var w string
		var i int
		if _, err := fmt.Sscanf(line, "line %s %d", &w, &i); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if before, seen := last[w]; seen && i != before+1 {
			t.Errorf("writer %s: line %d after %d", w, i, before)
		}
		last[w] = i
	}
	if info, err := os.Stat(path + ".1"); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// What is written past the log, as a crash is, goes on into the same file, and counts.
func TestBoundedLogBesideOthers(t *testing.T) {
	l, path := newBounded(t, 100)
	fmt.Fprint(l.to, strings.Repeat("x", 200))
	fmt.Fprintln(l, "line")
	fmt.Fprintln(l.to, "panic")
	if got := textOf(t, path); got != "line\npanic\n" {
		t.Errorf("%q", got)
	}
	if got := textOf(t, path+".1"); len(got) != 200 {
		t.Errorf("%d bytes are kept", len(got))
	}
}

// Lines that can't be kept are still there for a while; then the bound comes first.
func TestBoundedLogThatCannotBeKept(t *testing.T) {
	l, path := newBounded(t, 1000)
	if err := os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 99) + "\n"
	for i := range 100 {
		fmt.Fprint(l, line)
		if n := len(textOf(t, path)); n > 2100 || i < 20 && n != 100*(i+1) {
			t.Fatalf("%d bytes after %d lines", n, i+1)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".codexauth-tmp-*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %q", left)
	}
}

// Another file in its place is left alone, and so is that there is none.
func TestBoundedLogThatIsGone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("nobody takes an open file away there")
	}
	l, path := newBounded(t, 10)
	for _, there := range []bool{false, true} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if there {
			if err := os.WriteFile(path, []byte("mine, and longer than that"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if _, err := fmt.Fprintln(l, "0123456789"); err != nil {
				t.Error(err)
			}
		}
		if there && textOf(t, path) != "mine, and longer than that" {
			t.Error("it was changed")
		}
		if !there {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
