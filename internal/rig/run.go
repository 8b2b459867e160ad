package rig

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"codexauth/internal/rig/scratch"
)

// A Run is one run of the program: what it built, and how thorough it is.
type Run struct {
	Quick bool
	Only  string       // part of the names of what to play
	at    string       // a commit whose programs are judged; "": the source as it is here
	dir   string       // everything that the run makes is below it
	own   *scratch.Dir // the same, where it goes when this process ends
}

// dirVariable tells the run inside its namespaces where the programs are.
const dirVariable = "CODEXAUTH_RIG_DIR"

// A build is a program made from a package of this module.
type build struct {
	pkg     string
	tags    string
	shifted bool   // its clocks are moved, see shifted_clock.go
	at      string // built from a commit of the history; the rig skips if there is none
}

func programs() map[string]build {
	return map[string]build{
		"codexauth":   {pkg: "codexauth/cmd/codexauth"},
		"faultpoints": {pkg: "codexauth/cmd/codexauth", tags: "faultpoints"},
		"shifted":     {pkg: "codexauth/cmd/codexauth", tags: "faultpoints", shifted: true},
		"shiftclient": {pkg: "codexauth/rigs/client", shifted: true},
		"client":      {pkg: "codexauth/rigs/client"},
		"older":       {pkg: "codexauth/cmd/codexauth", tags: "faultpoints", at: BeforeRound},
		"load":        {pkg: "codexauth/bench/load"},
		"hello":       {pkg: "codexauth/bench/hello"},
		"measure":     {pkg: "codexauth/bench/measure"},
	}
}

// newRun builds what the rigs need. It does so before the run moves into a
// network of its own, in which no module can be fetched.
func newRun(quick bool, at string, chosen []Rig) (*Run, error) {
	if dir := os.Getenv(dirVariable); dir != "" {
		return &Run{Quick: quick, at: at, dir: dir}, nil
	}
	dir, err := scratch.New("codexauth-rig-")
	if err != nil {
		return nil, err
	}
	r := &Run{Quick: quick, at: at, dir: dir.Path, own: dir}
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
	_ = r.own.Remove()
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
	if commit := cmp.Or(p.at, r.at); commit != "" {
		source, err := r.sourceOf(commit)
		if err != nil && p.at != "" { // a shallow clone
			return os.WriteFile(filepath.Join(r.dir, noHistory), []byte(err.Error()), 0o600)
		}
		if err != nil {
			return err
		}
		cmd.Dir = source
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", p.pkg, err, out)
	}
	return nil
}
