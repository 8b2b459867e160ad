// Package codexcli knows the files of the official Codex command line: auth.json,
// in which it keeps its login, the locks beside it, and config.toml.
//
// What is said here of that program is what version 0.169 was seen to do.
package codexcli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/statedir"
)

// AuthFile and ConfigFile are the files' names in the home directory.
const (
	AuthFile   = "auth.json"
	ConfigFile = "config.toml"
)

// Home is the directory in which the official command line keeps its files:
// $CODEX_HOME, else .codex in the person's home directory. It need not exist.
func Home() (string, error) {
	if dir := os.Getenv("CODEX_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	home, err := statedir.Home()
	if err != nil {
		return "", fmt.Errorf("where the Codex CLI keeps its files can't be told: %w", err)
	}
	return filepath.Join(home, ".codex"), nil
}

// backUp returns a name for a backup of path that nothing bears yet.
func backUp(path string, now time.Time) (string, error) {
	base := path + ".codexauth-backup-" + now.UTC().Format("20060102T150405Z")
	for n := range 1000 {
		name := base
		if n > 0 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		_, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("there are too many backups of %s", path)
}

// copyAway writes data, which is what path holds, to a backup beside it.
func copyAway(path string, data []byte, mode fs.FileMode) (backup string, err error) {
	backup, err = backUp(path, time.Now())
	if err != nil {
		return "", err
	}
	return backup, atomicfile.Write(backup, data, atomicfile.Options{Mode: mode})
}
