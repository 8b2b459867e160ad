package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	shifted bool // its clocks are moved, see overlay.go
}

func programs() map[string]program {
	return map[string]program{
		"codexauth":   {pkg: "codexauth/cmd/codexauth"},
		"faultpoints": {pkg: "codexauth/cmd/codexauth", tags: "faultpoints"},
		"shifted":     {pkg: "codexauth/cmd/codexauth", tags: "faultpoints", shifted: true},
		"shiftclient": {pkg: "codexauth/rigs/client", shifted: true},
		"client":      {pkg: "codexauth/rigs/client"},
		"load":        {pkg: "codexauth/rigs/load"},
		"hello":       {pkg: "codexauth/rigs/hello"},
		"measure":     {pkg: "codexauth/rigs/measure"},
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
	if _, err := os.Stat(b.program(name)); err == nil || p.shifted && runtime.GOOS != "linux" {
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
