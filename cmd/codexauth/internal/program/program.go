// Package program knows where this binary is, and whether others may be told to run it.
package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"codexauth/internal/hint"
	"codexauth/internal/private"
)

// Installed is the path by which other programs are to run this binary. It
// refuses one that may be gone tomorrow, or that others could replace: whoever
// can do that gets every token.
func Installed() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", unfitTool("its own path is not known (%v)", err)
	}
	path := self
	// A name in PATH that leads here outlives an upgrade, where what it leads to
	// may bear a version.
	if named, err := exec.LookPath("codexauth"); err == nil && filepath.IsAbs(named) && sameFile(named, self) {
		path = named
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", unfitTool("%v", err)
	}
	for _, p := range []string{path, resolved} {
		if err := checkTool(p); err != nil {
			return "", err
		}
	}
	return path, nil
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// checkTool refuses a path that is temporary, or that has a component which
// others can write.
func checkTool(path string) error {
	if Temporary(path) {
		return unfitTool("%s is temporary", path)
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err != nil {
			return unfitTool("%v", err)
		}
		if reason, _ := private.Writable(dir, info); reason != "" {
			return unfitTool("%s, on the way to it, %s", dir, reason)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// Temporary reports whether what is at path may be gone tomorrow.
func Temporary(path string) bool {
	return temporary(path, runtime.GOOS)
}

func temporary(path, system string) bool {
	separator := string(filepath.Separator)
	dirs := []string{os.TempDir(), "/tmp", "/var/tmp"}
	if system == "darwin" { // where every user's $TMPDIR is; sudo takes it out of the environment
		dirs = append(dirs, "/var/folders", "/private/var/folders")
	}
	for _, dir := range dirs {
		real, err := filepath.EvalSymlinks(dir) // macOS has all of them below /private
		if strings.HasPrefix(path, filepath.Clean(dir)+separator) || err == nil && strings.HasPrefix(path, real+separator) {
			return true
		}
	}
	return strings.Contains(path, separator+"go-build")
}

// errTool is why this binary can't be set up where it is.
var errTool = errors.New("this codexauth can't be set up for another program to run")

func unfitTool(format string, args ...any) error {
	home := "/usr/local/bin"
	if runtime.GOOS == "windows" {
		home = `%LOCALAPPDATA%\Programs`
	}
	return hint.With(fmt.Errorf("%w: %s", errTool, fmt.Sprintf(format, args...)),
		"install it first, where programs are ("+home+"), and run that one")
}
