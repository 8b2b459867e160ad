package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// A Run is one run of the program: what it built, and how thorough it is.
type Run struct {
	Quick bool
	Only  string // part of the names of what to play
	dir   string // everything that the run makes is below it
	owner bool   // the directory goes when this process ends
}

// dirVariable tells the run inside its namespaces where the programs are.
const dirVariable = "CODEXAUTH_RIG_DIR"

// A build is a program made from a package of this module.
type build struct {
	pkg     string
	tags    string
	shifted bool // its clocks are moved, see shifted_clock.go
}

func programs() map[string]build {
	return map[string]build{
		"codexauth":   {pkg: "codexauth/cmd/codexauth"},
		"faultpoints": {pkg: "codexauth/cmd/codexauth", tags: "faultpoints"},
		"shifted":     {pkg: "codexauth/cmd/codexauth", tags: "faultpoints", shifted: true},
		"shiftclient": {pkg: "codexauth/rigs/client", shifted: true},
		"client":      {pkg: "codexauth/rigs/client"},
		"load":        {pkg: "codexauth/bench/load"},
		"hello":       {pkg: "codexauth/bench/hello"},
		"measure":     {pkg: "codexauth/bench/measure"},
	}
}

// newRun builds what the rigs need. It does so before the run moves into a
// network of its own, in which no module can be fetched.
func newRun(quick bool, chosen []Rig) (*Run, error) {
	if dir := os.Getenv(dirVariable); dir != "" {
		return &Run{Quick: quick, dir: dir}, nil
	}
	dir, err := os.MkdirTemp("", "codexauth-rig-")
	if err != nil {
		return nil, err
	}
	r := &Run{Quick: quick, dir: dir, owner: true}
	for _, rig := range chosen {
		for _, name := range rig.Needs {
			if err := r.build(name); err != nil {
				r.close()
				return nil, err
			}
		}
	}
	return r, nil
}

func (r *Run) close() {
	if r.owner {
		os.RemoveAll(r.dir)
	}
}

// Program is the path of a built program.
func (r *Run) Program(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(r.dir, name)
}

func (r *Run) build(name string) error {
	p := programs()[name]
	if _, err := os.Stat(r.Program(name)); err == nil || p.shifted && runtime.GOOS != "linux" {
		return nil
	}
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", r.Program(name)}
	if p.tags != "" {
		args = append(args, "-tags", p.tags)
	}
	if p.shifted {
		overlay, err := r.shiftOverlay()
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
