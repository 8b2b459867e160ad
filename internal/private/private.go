// Package private makes and recognises places that only this user can read.
package private

import (
	"fmt"
	"io/fs"
	"os"
)

// MkdirAll makes dir, and what is missing above it, for this user alone, and
// refuses a dir that is a link, somebody else's, or open to others.
func MkdirAll(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return CheckDir(dir)
}

// CheckDir refuses a dir that is missing, a link, somebody else's, or open to others.
func CheckDir(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	return Check(dir, info)
}

// CheckFile refuses what is not a regular file of this user's alone.
func CheckFile(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return Check(path, info)
}

// An Exposed is why what stands at a path is not this user's alone.
type Exposed struct {
	Path      string
	Owner, Me int         // users; not the same if it is another's
	Mode      fs.FileMode // permissions; it lets others in if it is this user's
}

func (e *Exposed) Error() string {
	if e.Foreign() {
		return fmt.Sprintf("%s belongs to user %d, and this is user %d", e.Path, e.Owner, e.Me)
	}
	return fmt.Sprintf("%s is open to other users (mode %04o)", e.Path, e.Mode)
}

// Foreign reports whether it is another user's.
func (e *Exposed) Foreign() bool { return e.Owner != e.Me }

// Check is the rule itself, whatever info describes: an [Exposed] if it belongs to
// another user, or lets others than its own in. (An access control list shows in the
// bits of the group.)
func Check(path string, info fs.FileInfo) error {
	owner, me, known := Owners(info)
	if mode := info.Mode().Perm(); known && (owner != me || mode&0o077 != 0) {
		return &Exposed{path, owner, me, mode}
	}
	return nil
}
