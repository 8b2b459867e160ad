//go:build unix

package file

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// owners returns the file's user and this process's.
func owners(info fs.FileInfo) (owner, me int, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), os.Geteuid(), true
}

func diskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
