package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each mutation finds its text exactly once, changes it, and names tests that are
// there.
func TestListIsUpToDate(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := choose(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{} // of the tests, by package
	rules := map[string]bool{}
	for _, m := range all {
		if _, err := m.mutated(root); err != nil {
			t.Error(err)
		}
		if m.old == m.new || rules[m.rule] || m.rule == "" || m.by == "" {
			t.Errorf("%s, %q: it changes nothing, has another's rule, or names no test", m.file, m.rule)
		}
		rules[m.rule] = true
		if _, ok := sources[m.pkg()]; !ok {
			sources[m.pkg()] = testsIn(t, filepath.Join(root, m.pkg()))
		}
		for _, name := range m.tests() {
			if !strings.Contains(sources[m.pkg()], "func "+name+"(t *testing.T)") {
				t.Errorf("%s has no test %s", m.pkg(), name)
			}
		}
	}
}

func testsIn(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestJudge(t *testing.T) {
	failed := os.ErrInvalid
	for out, want := range map[string]string{
		"--- FAIL: TestA (0.00s)\n--- FAIL: TestB (0.00s)\nFAIL\n": noticed,
		"--- FAIL: TestA (0.00s)\n--- PASS: TestB (0.00s)\nFAIL\n": survived,
		"--- FAIL: TestA (0.00s)\npanic: deadlock [recovered]\n":   noticed,
		"panic: test timed out after 4m0s\n":                       fault,
		"FAIL	codexauth [build failed]\n":                          fault,
		"go: cannot find the module\n":                             fault,
	} {
		if v := judge([]string{"TestA", "TestB"}, out, failed); v.mark != want {
			t.Errorf("%q: %s, want %s", out, v.mark, want)
		}
	}
	if v := judge([]string{"TestA"}, "--- PASS: TestA (0.00s)\nPASS\n", nil); v.mark != survived {
		t.Errorf("a test that passes: %s", v.mark)
	}
}
