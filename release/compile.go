package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// compile builds the program for each target. Nothing of this machine's settings
// for Go has a say in it.
func (r *release) compile() error {
	for _, t := range r.targets {
		if err := r.compileFor(t); err != nil {
			return err
		}
	}
	if !r.has(host()) {
		return r.compileFor(host()) // describes itself
	}
	return nil
}

func (r *release) program(t target) string { return r.in("bin", t.os, t.arch, t.binary()) }

func (r *release) compileFor(t target) error {
	stamp := "-s -w -X main.stamped=" + r.version + " -X main.released=" + r.date()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", stamp, "-o", r.program(t), "./cmd/codexauth")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch,
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GODEBUG=", "GOFLAGS="+ofUse(os.Getenv("GOFLAGS")))
	_, err := output(cmd)
	return err
}

// ofUse keeps of GOFLAGS what changes how a build runs, and not what it makes.
func ofUse(flags string) string {
	var keep []string
	for _, flag := range strings.Fields(flags) {
		if strings.HasPrefix(flag, "-p=") || flag == "-mod=mod" || flag == "-modcacherw" {
			keep = append(keep, flag)
		}
	}
	return strings.Join(keep, " ")
}

// describe lets the program write its manual pages and completions.
func (r *release) describe() error {
	self := r.program(host())
	if _, err := output(exec.Command(self, "help", "--man-pages", r.in("man"))); err != nil {
		return err
	}
	pages, err := filepath.Glob(r.in("man", "*.1"))
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("no manual pages: %w", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := os.WriteFile(page+".gz", gzipped(text), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(r.in("completions"), 0o755); err != nil {
		return err
	}
	for shell, file := range map[string]string{"bash": "codexauth.bash", "zsh": "_codexauth", "fish": "codexauth.fish", "powershell": "codexauth.ps1"} {
		script, err := output(exec.Command(self, "completion", shell))
		if err != nil {
			return err
		}
		if err := os.WriteFile(r.in("completions", file), script, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// output is what a command prints, or its complaint as an error.
func output(cmd *exec.Cmd) ([]byte, error) {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out, complaint.Bytes())
	}
	return out, nil
}
