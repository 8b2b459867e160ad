//go:build unix

package config

import (
	"errors"

	"golang.org/x/sys/unix"
)

// nonBlocking keeps a pipe in the file's place from being waited for.
const nonBlocking = unix.O_NONBLOCK

// readOnly reports whether nobody can write in dir, whatever its mode.
func readOnly(dir string) bool { return errors.Is(unix.Access(dir, unix.W_OK), unix.EROFS) }
