package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// bench is one run of this program: what it built, and how thorough it is.
type bench struct {
	quick bool
	only  string // part of the names of the proofs to play
	dir   string // everything that the run makes is below it
	owner bool   // the directory goes when this process ends
}

// dirVariable tells the run inside its namespaces where the programs are.
const dirVariable = "CODEXAUTH_BENCH_DIR"

// A program is built from a package of this module.
type program struct {
	pkg     string
	tags    string
	shifted bool // its wall clock is moved by shiftVariable
}

func programs() map[string]program {
	return map[string]program{
		"codexauth":   {pkg: "codexauth/cmd/codexauth"},
		"faultpoints": {pkg: "codexauth/cmd/codexauth", tags: "faultpoints"},
		"shifted":     {pkg: "codexauth/cmd/codexauth", shifted: true},
		"client":      {pkg: "codexauth/bench/client"},
		"load":        {pkg: "codexauth/bench/load"},
		"hello":       {pkg: "codexauth/bench/hello"},
		"measure":     {pkg: "codexauth/bench/measure"},
	}
}

// newBench builds what the rigs need. It does so before the run moves into a
// network of its own, in which no module can be fetched.
func newBench(quick bool, chosen []rig) (*bench, error) {
	if dir := os.Getenv(dirVariable); dir != "" {
		return &bench{quick: quick, dir: dir}, nil
	}
	dir, err := os.MkdirTemp("", "codexauth-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{quick: quick, dir: dir, owner: true}
	for _, r := range chosen {
		for _, name := range r.needs {
			if err := b.build(name); err != nil {
				b.close()
				return nil, err
			}
		}
	}
	return b, nil
}

func (b *bench) close() {
	if b.owner {
		os.RemoveAll(b.dir)
	}
}

// program is the path of a built program.
func (b *bench) program(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.dir, name)
}

func (b *bench) build(name string) error {
	p := programs()[name]
	if _, err := os.Stat(b.program(name)); err == nil {
		return nil
	}
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", b.program(name)}
	if p.tags != "" {
		args = append(args, "-tags", p.tags)
	}
	if p.shifted {
		overlay, err := b.shiftOverlay()
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.Command("go", append(args, p.pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", p.pkg, err, out)
	}
	return nil
}

// shiftVariable moves the wall clock of the program "shifted", in seconds.
const shiftVariable = "CODEXAUTH_BENCH_SHIFT"

// shiftCode is what the standard library's time.go is given. It can't import
// strconv, which imports time.
const shiftCode = `
var benchShift = readBenchShift()

func readBenchShift() (n int64) {
	s, _ := syscall.Getenv("` + shiftVariable + `")
	sign := int64(1)
	for i := range len(s) {
		if s[i] == '-' {
			sign = -1
		} else {
			n = n*10 + int64(s[i]-'0')
		}
	}
	return sign * n
}
`

// shiftOverlay writes an overlay for `go build` in which time.Now is moved and
// the monotonic clock is not, as on a machine whose clock is set wrong. So a
// whole program, unmodified, meets it: libraries that replace the C library's
// clock do nothing to a Go program.
func (b *bench) shiftOverlay() (path string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	const read = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	text := strings.ReplaceAll(string(source), "\r\n", "\n")
	if !strings.Contains(text, read) || !strings.Contains(text, "import (\n") {
		return "", errors.New("this Go's time.Now does not read as expected; the rig \"clock\" has to be taught")
	}
	text = strings.Replace(text, read, read+"\tsec += benchShift\n", 1)
	text = strings.Replace(text, "import (\n", "import (\n\t\"syscall\"\n", 1) + shiftCode
	changed := filepath.Join(b.dir, "time.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return "", err
	}
	path = filepath.Join(b.dir, "overlay.json")
	return path, errors.Join(os.WriteFile(changed, []byte(text), 0o600), os.WriteFile(path, overlay, 0o600))
}
