//go:build unix

package toolfile

import (
	"os"
	"syscall"
)

// ManyNames reports whether the file at path has another name, by a hard link: what is
// put in its place under the one is not seen under the other.
func ManyNames(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && stat.Nlink > 1
}
