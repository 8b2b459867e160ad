package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"codexauth/internal/private"
)

// installedTool is the path by which other programs are to run this binary. It
// refuses one that may be gone tomorrow, or that others could replace: whoever
// can do that gets every token.
func installedTool() (string, error) {
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
	if temporary(path) {
		return unfitTool("%s is temporary", path)
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err != nil {
			return unfitTool("%v", err)
		}
		if reason := writable(info); reason != "" {
			return unfitTool("%s, on the way to it, %s", dir, reason)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// temporary reports whether what is at path may be gone tomorrow.
func temporary(path string) bool {
	separator := string(filepath.Separator)
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if strings.HasPrefix(path, filepath.Clean(dir)+separator) {
			return true
		}
	}
	return strings.Contains(path, separator+"go-build")
}

// writable says how others could change what info describes.
func writable(info os.FileInfo) string {
	owner, me, known := private.Owners(info)
	mode := info.Mode()
	switch {
	case !known, mode&os.ModeSymlink != 0: // a link is changed through its directory
		return ""
	case owner != me && owner != 0:
		return "belongs to another user"
	case mode.Perm()&0o002 != 0: // the sticky bit does not help: a cleaned /tmp is anybody's
		return "can be written by every user"
	case mode.Perm()&0o020 != 0 && !trustedGroup(groupOf(info)):
		return "can be written by its group"
	}
	return ""
}

// trustedGroup reports whether the members of a group could do anything anyway
// (root's, an administrator's), or are this user alone.
func trustedGroup(gid int) bool {
	const darwinAdmin = 80
	return gid == 0 || gid == os.Getuid() && gid == os.Getgid() || runtime.GOOS == "darwin" && gid == darwinAdmin
}
