package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func (t *trial) recordPath() string { return filepath.Join(t.Home, "record-default") }

func (t *trial) authPath() string { return filepath.Join(t.Dir, "codex", "auth.json") }

// elsewhere is a store of its own beside the trial's.
func (t *trial) elsewhere() *trial {
	other := *t
	other.KeepIn(filepath.Join(t.Dir, "elsewhere"))
	other.Env = append(slices.Clone(t.Env), "CODEXAUTH_STORE="+other.Address)
	return &other
}

func (t *trial) keyFile() string { return filepath.Join(t.Dir, "key") }

// homeOf is an environment with a place of its own for everything local.
func (t *trial) homeOf(i int) []string {
	home := filepath.Join(t.Dir, fmt.Sprint("machine-", i))
	tmp := filepath.Join(home, "tmp")
	_ = os.MkdirAll(tmp, 0o700) // if it fails, so does what uses it
	return []string{"HOME=" + home, "CODEXAUTH_HOME=" + filepath.Join(home, "state"), "TMPDIR=" + tmp}
}

// leaveAuth puts another login of the same server where the official command
// line keeps its own.
func (t *trial) leaveAuth() error {
	if err := os.MkdirAll(filepath.Dir(t.authPath()), 0o700); err != nil {
		return err
	}
	other := t.elsewhere()
	return errors.Join(other.SignIn(), other.Run("export", "--hand-over", t.authPath()).Want(0))
}
