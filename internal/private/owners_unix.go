//go:build unix

package private

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// Me tells this user from others of this machine, in the name of a file: by the
// user number, on Windows by the security identifier.
func Me() string { return strconv.Itoa(os.Geteuid()) }

// Owners returns the file's user and this process's.
func Owners(info fs.FileInfo) (owner, me int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), os.Geteuid(), true
}

// Kept is what keeps a file from others.
const Kept = "mode"

// Foreign reports whether what info describes at path is another user's.
func Foreign(_ string, info fs.FileInfo) bool {
	owner, me, known := Owners(info)
	return known && owner != me
}

func check(path string, info fs.FileInfo) error {
	owner, me, known := Owners(info)
	if mode := info.Mode().Perm(); known && (owner != me || mode&0o077 != 0) {
		return &Exposed{Path: path, Owner: owner, Me: me, Mode: mode}
	}
	return nil
}

func mkdir(dir string) error { return os.Mkdir(dir, 0o700) }

// Remedy is a command that makes what is at path this user's alone.
func Remedy(path string, dir bool) string {
	if dir {
		return fmt.Sprintf("chmod 700 %q", path)
	}
	return fmt.Sprintf("chmod 600 %q", path)
}
