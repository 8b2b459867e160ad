package rig

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Clone clones this repository, as it is committed, and returns where to.
func Clone(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		unavailable(t, "git is not installed: %v", err)
	}
	root := filepath.Dir(moduleDir())
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		unavailable(t, "%s is no clone of a repository to be cloned (%v)", root, err)
	}
	dir := filepath.Join(t.TempDir(), "codexauth")
	if out, err := exec.Command("git", "clone", "--quiet", root, dir).CombinedOutput(); err != nil {
		t.Fatalf("git clone: %v\n%s", err, out)
	}
	return dir
}

// Shell runs a line of a shell in dir, as somebody who has Go and has downloaded
// the modules: nothing more comes from a network.
func Shell(t testing.TB, dir, line string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOPROXY=off", "GOSUMDB=off", "GOFLAGS=", "NO_COLOR=1"), env...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}
