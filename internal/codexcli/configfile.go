package codexcli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
)

// maxConfig is how many bytes a config.toml may have.
const maxConfig = 1 << 20

// A Config is a config.toml on the disk.
type Config struct {
	Path string // symbolic links resolved
	Text string // empty if there is no file
	mode fs.FileMode
}

// ReadConfig reads the config.toml in the directory home, which need not exist.
// A link, such as people have who keep their settings in one place, is followed.
func ReadConfig(home string) (Config, error) {
	c := Config{Path: filepath.Join(home, ConfigFile), mode: 0o600}
	resolved, err := filepath.EvalSymlinks(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if info, err := os.Lstat(c.Path); err == nil {
			return c, fmt.Errorf("%s is a %s that leads nowhere", c.Path, info.Mode().Type())
		}
		return c, nil
	}
	if err != nil {
		return c, err
	}
	c.Path = resolved
	data, err := atomicfile.Read(c.Path, maxConfig, func(info fs.FileInfo) error {
		if owner, me, known := private.Owners(info); known && owner != me {
			return fmt.Errorf("%s belongs to user %d, and this is user %d", c.Path, owner, me)
		}
		c.mode = info.Mode().Perm()
		return nil
	})
	c.Text = string(data)
	return c, err
}

// Replace writes text in place of what was read, with the same mode, and returns
// the path of a backup of that, if there was anything and keep says so. Without
// text there is no file afterwards.
func (c Config) Replace(text string, keep bool) (backup string, err error) {
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o700); err != nil {
		return "", err
	}
	if c.Text != "" && keep {
		if backup, err = copyAway(c.Path, []byte(c.Text), c.mode); err != nil {
			return "", err
		}
	}
	if text == "" {
		return backup, removeFile(c.Path)
	}
	return backup, writeFile(c.Path, []byte(text), atomicfile.Options{Mode: c.mode})
}
