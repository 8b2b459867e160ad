// Package private makes and recognises places that only this user can read.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MkdirAll makes dir, and what is missing above it, for this user alone, and
// refuses a dir that is a link, somebody else's, or open to others.
func MkdirAll(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return CheckDir(dir)
}

// Mkdir makes dir for this user alone. The error is the system's.
func Mkdir(dir string) error { return mkdir(dir) }

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
	Account   string      // on Windows, which knows neither: an account that gets in
}

func (e *Exposed) Error() string {
	if e.Account != "" {
		return fmt.Sprintf("%s can be opened by %s", e.Path, e.Account)
	}
	if e.Foreign() {
		return fmt.Sprintf("%s belongs to user %d, and this is user %d", e.Path, e.Owner, e.Me)
	}
	return fmt.Sprintf("%s is open to other users (mode %04o)", e.Path, e.Mode)
}

// Foreign reports whether it is another user's.
func (e *Exposed) Foreign() bool { return e.Owner != e.Me }

// ErrUnexamined: the system does not tell who can open what is at a path.
var ErrUnexamined = errors.New("it is not known who can open it")

// Check is the rule itself, whatever info describes at path: an [Exposed] if it
// belongs to another user, or lets others than its own in. (On Linux an access
// control list shows in the bits of the group.) On Windows the system and
// administrators are no others.
func Check(path string, info fs.FileInfo) error { return check(path, info) }
