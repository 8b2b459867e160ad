//go:build unix

package codexauth

import (
	"os"
	"syscall"
)

// sameFileSystem reports whether two directories are on one file system.
func sameFileSystem(a, b string) bool {
	one, err := os.Stat(a)
	two, err2 := os.Stat(b)
	if err != nil || err2 != nil {
		return false
	}
	x, ok := one.Sys().(*syscall.Stat_t)
	y, ok2 := two.Sys().(*syscall.Stat_t)
	return ok && ok2 && x.Dev == y.Dev
}
