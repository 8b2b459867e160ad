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
	return check(dir, info)
}

// CheckFile refuses what is not a regular file of this user's alone.
func CheckFile(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return check(path, info)
}

func check(path string, info fs.FileInfo) error {
	owner, me, known := Owners(info)
	switch {
	case !known:
		return nil
	case owner != me:
		return fmt.Errorf("%s belongs to user %d, and this is user %d", path, owner, me)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to other users (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}
