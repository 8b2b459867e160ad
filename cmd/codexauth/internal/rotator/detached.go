package rotator

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"codexauth/internal/environ"
)

// detached is a command of this program whose process outlives the one that starts it.
func detached(way *syscall.SysProcAttr, self string, args ...string) *exec.Cmd {
	cmd := exec.Command(self, args...)
	cmd.Dir = filepath.VolumeName(self) + string(filepath.Separator) // keeps no directory in use
	cmd.Env = environ.OfChild(os.Environ())
	cmd.SysProcAttr = way
	return cmd
}

// StartDetached starts a command of this program that outlives the process and its
// terminal, and says what it has to say to output.
func StartDetached(output *os.File, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, way := range Detached() {
		cmd := detached(way, self, args...)
		cmd.Stdout, cmd.Stderr = output, output
		if err = cmd.Start(); err == nil {
			return cmd, nil
		}
	}
	return nil, err
}
