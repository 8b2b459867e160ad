//go:build unix

package private

import (
	"os"
	"syscall"
)

// groupOf is the group of a file.
func groupOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Gid)
	}
	return -1
}
