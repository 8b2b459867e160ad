// Package statedir names the place that the system keeps for programs' state.
package statedir

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Dir returns $XDG_STATE_HOME or ~/.local/state, ~/Library/Application Support on
// macOS, %LocalAppData% on Windows. It looks at no file.
func Dir() (string, error) {
	if runtime.GOOS == "windows" {
		return os.UserCacheDir() // %LocalAppData%
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
