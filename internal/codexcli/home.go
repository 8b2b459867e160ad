// Package codexcli knows the files of the official Codex command line: auth.json,
// in which it keeps its login, the locks beside it, and config.toml.
//
// What is said here of that program is what version 0.169 was seen to do.
package codexcli

import (
	"fmt"
	"os"
	"path/filepath"

	"codexauth/internal/statedir"
	"codexauth/internal/toolfile"
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

// ReadConfig reads the config.toml in the directory home, which need not exist.
func ReadConfig(home string) (toolfile.File, error) {
	return toolfile.Read(filepath.Join(home, ConfigFile))
}
