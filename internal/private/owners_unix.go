//go:build unix

package private

import (
	"io/fs"
	"os"
	"syscall"
)

// Owners returns the file's user and this process's.
func Owners(info fs.FileInfo) (owner, me int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), os.Geteuid(), true
}
