//go:build unix

package broker

import (
	"math"
	"syscall"
)

// maxFiles is how many files this process may have open. The Go runtime has
// raised that to what the system allows.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return uint64(limit.Cur)
}
