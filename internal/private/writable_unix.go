//go:build unix

package private

import (
	"os"
	"runtime"
)

// Writable says how others could change what info describes at path.
func Writable(_ string, info os.FileInfo) (how string, err error) {
	return writable(info), nil
}

func writable(info os.FileInfo) string {
	owner, me, known := Owners(info)
	mode := info.Mode()
	switch {
	case !known, mode&os.ModeSymlink != 0: // a link is changed through its directory
		return ""
	case owner != me && owner != 0:
		return "belongs to another user"
	case mode.Perm()&0o002 != 0: // the sticky bit does not help: a cleaned /tmp is anybody's
		return "can be written by every user"
	case mode.Perm()&0o020 != 0 && !trustedGroup(groupOf(info)):
		return "can be written by its group"
	}
	return ""
}

// trustedGroup reports whether the members of a group could do anything anyway
// (root's, an administrator's), or are this user alone.
func trustedGroup(gid int) bool {
	const darwinAdmin = 80
	return gid == 0 || gid == os.Getuid() && gid == os.Getgid() || runtime.GOOS == "darwin" && gid == darwinAdmin
}
