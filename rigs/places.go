package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func (t *trial) recordPath() string { return filepath.Join(t.home, "record-default") }

func (t *trial) authPath() string { return filepath.Join(t.dir, "codex", "auth.json") }

// elsewhere is a store of its own beside the trial's.
func (t *trial) elsewhere() *trial {
	other := *t
	other.home = filepath.Join(t.dir, "elsewhere")
	other.address, other.open = "file:"+other.home, other.openFile
	other.env = append(slices.Clone(t.env), "CODEXAUTH_STORE="+other.address)
	return &other
}

func (t *trial) keyFile() string { return filepath.Join(t.dir, "key") }

// homeOf is an environment with a place of its own for everything local.
func (t *trial) homeOf(i int) []string {
	home := filepath.Join(t.dir, fmt.Sprint("machine-", i))
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
	return errors.Join(other.signIn(), other.run("export", "--hand-over", t.authPath()).want(0))
}
