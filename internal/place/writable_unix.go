//go:build unix

package place

import "golang.org/x/sys/unix"

// mayWrite reports whether this user may make files in dir, which is not so on a
// read-only file system, whatever the mode says.
func mayWrite(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }
