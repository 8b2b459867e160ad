package codexauth_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ours calls f with each file of code here that is not meant to be copied. None is made
// by a program.
func ours(t *testing.T, f func(path string, lines []string)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "testdata", "examples"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".go", ".js", ".mjs", ".ts", ".py", ".sh", ".css", ".html"}, filepath.Ext(path)) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		f(filepath.ToSlash(path), strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 500 {
		t.Fatalf("only %d files were found: this test looks for the wrong thing", files)
	}
}

// A file that is longer has more than one thing in it.
func TestFilesAreShort(t *testing.T) {
	const most = 400
	ours(t, func(path string, lines []string) {
		if len(lines) > most {
			t.Errorf("%s has %d lines, and %d at the most are wanted: split it by what is in it", path, len(lines), most)
		}
	})
}

// A package of the command line that is longer has more than one thing in it, too.
func TestCommandLinePackagesAreShort(t *testing.T) {
	const most = 4000
	of := map[string]int{}
	ours(t, func(path string, lines []string) {
		if strings.HasPrefix(path, "cmd/") && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			of[filepath.Dir(path)] += len(lines)
		}
	})
	if len(of) < 10 {
		t.Fatalf("only %d packages were found: this test looks for the wrong thing", len(of))
	}
	for dir, n := range of {
		if n > most {
			t.Errorf("%s has %d lines without its tests, and %d at the most are wanted: what can be read by itself goes to a package below it", dir, n, most)
		}
	}
}

// What stands in two places is changed in one of them. Indents, blank lines and
// imports don't count.
func TestNothingStandsTwice(t *testing.T) {
	const tooMany = 12
	type place struct {
		path string
		line int
	}
	number := map[string]int{} // of a line
	first := map[[tooMany]int]place{}
	ours(t, func(path string, lines []string) {
		var last [tooMany]int
		var at []int // the lines that count
		imports, told := false, 0
		for i, line := range lines {
			line = strings.TrimSpace(line)
			if imports = line == "import (" || imports && line != ")"; imports || line == "" {
				continue
			}
			if number[line] == 0 {
				number[line] = len(number) + 1
			}
			copy(last[:], last[1:])
			last[tooMany-1] = number[line]
			if at = append(at, i+1); len(at) < tooMany {
				continue
			}
			begins := at[len(at)-tooMany]
			was, again := first[last]
			if !again {
				first[last] = place{path, begins}
			} else if begins > told {
				told = i + 1
				t.Errorf("%d lines from %s:%d on stand at %s:%d, too: make them one", tooMany, path, begins, was.path, was.line)
			}
		}
	})
}
