// Package statedir names the place that the system keeps for programs' state.
package statedir

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Dir returns $XDG_STATE_HOME or ~/.local/state, ~/Library/Application Support on
// macOS, %LocalAppData% on Windows. It looks at no file, but where root runs for
// somebody whose home directory it has kept: that is a [Kept].
func Dir() (string, error) {
	dir, err := dir()
	if err == nil {
		err = Mine(dir)
	}
	if err != nil {
		return "", err
	}
	return dir, nil
}

// CacheDir is os.UserCacheDir with the same look.
func CacheDir() (string, error) {
	dir, err := absoluteCache()
	if err == nil {
		err = Mine(dir)
	}
	return dir, err
}

// Home is the person's home directory, with the same look.
func Home() (string, error) {
	home, err := os.UserHomeDir()
	if err == nil && !filepath.IsAbs(home) {
		err = fmt.Errorf("%q is not an absolute path", home)
	}
	if err == nil {
		err = Mine(home)
	}
	return home, err
}

// absoluteCache is os.UserCacheDir, which on Windows is whatever %LocalAppData% is.
func absoluteCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err == nil && !filepath.IsAbs(dir) {
		err = fmt.Errorf("the directory for local data of programs, %q, is not an absolute path", dir)
	}
	return dir, err
}

// Mine refuses, by a [Kept], a dir that root would make for somebody else.
func Mine(dir string) error { return kept(dir) }

// A Kept is a directory of the person who became root, for whom root would make
// files there that they can't use afterwards.
type Kept struct{ Dir string }

func (k *Kept) Error() string {
	return fmt.Sprintf("root runs this for another user and has kept their HOME: %s is theirs, and what root makes there they can't use; run it without sudo, or with sudo -H for a login of root's own", k.Dir)
}

func dir() (string, error) {
	if runtime.GOOS == "windows" {
		return absoluteCache() // %LocalAppData%
	}
	// A relative path there is to be ignored (XDG Base Directory Specification).
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) && runtime.GOOS != "darwin" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(home) {
		return "", fmt.Errorf("the home directory %q is not an absolute path", home)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support"), nil
	}
	return filepath.Join(home, ".local", "state"), nil
}
