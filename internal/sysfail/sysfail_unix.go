//go:build unix

package sysfail

import "syscall"

var (
	diskFull     = [...]error{syscall.ENOSPC, syscall.EDQUOT}
	readOnly     = [...]error{syscall.EROFS}
	notDirectory = [...]error{syscall.ENOTDIR}
	noLocks      = [...]error{syscall.ENOTSUP, syscall.ENOSYS, syscall.ENOLCK}
	connRefused  = [...]error{syscall.ECONNREFUSED}
	hungUp       = [...]error{syscall.ECONNRESET, syscall.EPIPE}
	noSockets    = [...]error{syscall.EAFNOSUPPORT}
	unreachable  = [...]error{}
)
