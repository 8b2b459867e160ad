//go:build unix

package lockfile

import "syscall"

// noFollow refuses a symbolic link in place of the lock file.
const noFollow = syscall.O_NOFOLLOW
