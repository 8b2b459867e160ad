package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The marks of a verdict.
const (
	noticed  = "noticed"
	survived = "SURVIVED"
	fault    = "FAULT"
	left     = "left out"
)

type verdict struct{ mark, said string }

// A bench is where mutations are tried.
type bench struct {
	root, temp string
	skipped    map[string]bool // tests that this machine can't run, by package and name
}

// pkg is the package whose tests must notice m, as a path for go test.
func (m mutation) pkg() string {
	if m.in != "" {
		return "./" + m.in
	}
	return "./" + path.Dir(m.file)
}

func (m mutation) tests() []string { return strings.Fields(m.by) }

// mutated is the file with the change in it.
func (m mutation) mutated(root string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(data), m.old); n != 1 {
		return nil, fmt.Errorf("the list is out of date: %s has %d times, and not once, the text %q", m.file, n, m.old)
	}
	return []byte(strings.Replace(string(data), m.old, m.new, 1)), nil
}

// testsPass runs all tests that are named without a mutation: one that fails
// anyhow notices nothing.
func (b *bench) testsPass(all []mutation) (ok bool) {
	named := map[string][]string{}
	for _, m := range all {
		for _, name := range m.tests() {
			if !slices.Contains(named[m.pkg()], name) {
				named[m.pkg()] = append(named[m.pkg()], name)
			}
		}
	}
	b.skipped = map[string]bool{}
	ok = true
	for pkg, names := range named {
		out, err := b.test(pkg, names, "")
		r := resultsOf(out)
		for _, name := range names {
			switch r[name] {
			case "PASS":
			case "SKIP":
				b.skipped[pkg+" "+name] = true
			default:
				fmt.Printf("%-9s %s %s does not pass without any mutation (%v)\n", fault, pkg, name, err)
				ok = false
			}
		}
		if err != nil {
			fmt.Print(tail(out))
		}
	}
	return ok
}

// try tries one mutation.
func (b *bench) try(i int, m mutation) verdict {
	text, err := m.mutated(b.root)
	if err != nil {
		return verdict{fault, err.Error()}
	}
	overlay, err := b.overlay(i, m, text)
	if err != nil {
		return verdict{fault, err.Error()}
	}
	for _, name := range m.tests() {
		if b.skipped[m.pkg()+" "+name] {
			return verdict{left, name + " is skipped on this machine"}
		}
	}
	out, err := b.test(m.pkg(), m.tests(), overlay)
	return judge(m.tests(), out, err)
}

// judge says what a run of tests with a mutation is worth.
func judge(names []string, out string, err error) verdict {
	r := resultsOf(out)
	var passed []string
	for _, name := range names {
		if r[name] == "PASS" {
			passed = append(passed, name)
		}
	}
	switch {
	case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
		return verdict{fault, "the list is out of date: this does not compile\n" + tail(out)}
	case strings.Contains(out, "panic: test timed out"):
		return verdict{fault, "the tests came to no end\n" + tail(out)}
	case len(passed) > 0 || err == nil:
		return verdict{survived, "passed all the same: " + strings.Join(passed, ", ")}
	case strings.Contains(out, "--- FAIL") || strings.Contains(out, "panic: "):
		return verdict{noticed, strings.Join(names, ", ")}
	}
	return verdict{fault, fmt.Sprintf("%v\n%s", err, tail(out))}
}

// overlay writes what go is to read in the file's place.
func (b *bench) overlay(i int, m mutation, text []byte) (string, error) {
	file := filepath.Join(b.temp, fmt.Sprintf("%d.go", i))
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(b.root, filepath.FromSlash(m.file)): file}})
	name := filepath.Join(b.temp, fmt.Sprintf("%d.json", i))
	return name, errors.Join(err, os.WriteFile(file, text, 0o600), os.WriteFile(name, list, 0o600))
}

func (b *bench) test(pkg string, names []string, overlay string) (string, error) {
	return b.goCommand(20*time.Minute, overlay, "test", "-vet=off", "-count=1", "-timeout=12m", "-v",
		"-run", "^("+strings.Join(names, "|")+")$", pkg)
}

// goCommand runs go with an overlay, which what it runs inherits: some tests
// build programs themselves.
func (b *bench) goCommand(limit time.Duration, overlay string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = b.root, os.Environ(), 10*time.Second
	if overlay != "" {
		cmd.Env = append(cmd.Env, strings.TrimSpace("GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// resultsOf reads PASS, FAIL and SKIP of the tests of a run, by their names.
func resultsOf(out string) map[string]string {
	results := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+) `).FindAllStringSubmatch(out, -1) {
		results[m[2]] = m[1]
	}
	return results
}

func tail(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n") + "\n"
}
