package seal

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"codexauth/internal/disk"
	"codexauth/internal/private"
	"codexauth/internal/sysfail"
)

// A service gets its key from the system in a file that is not its user's: systemd
// puts credentials into $CREDENTIALS_DIRECTORY (root's, 0440, with an access list
// for the user), Kubernetes a Secret's files behind links of its own into a volume
// (root's, read by the pod's group). Nobody but the system can replace them.

// handedOver returns the file that the system has put where path leads to; ok is
// false if it did not, or if others could have.
func handedOver(path string) (file string, ok bool) {
	dir := filepath.Dir(path)
	link, err := os.Lstat(filepath.Join(dir, "..data"))
	secret := err == nil && link.Mode()&fs.ModeSymlink != 0
	if given := os.Getenv("CREDENTIALS_DIRECTORY"); !secret && (given == "" || filepath.Clean(given) != dir) {
		return "", false
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", false
	}
	file, err = filepath.EvalSymlinks(path)
	if err != nil || !strings.HasPrefix(file, root+string(filepath.Separator)) {
		return "", false
	}
	info, err := os.Lstat(file)
	if err != nil || checkHandedOver(info) != nil {
		return "", false
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err != nil || !systems(info) || info.Mode().Perm()&0o022 != 0 && !sysfail.ReadOnly(disk.Writable(dir)) {
			return "", false
		}
		if dir == root {
			return file, true
		}
	}
}

// checkHandedOver takes a regular file of the system's that its group may read and
// nobody else.
func checkHandedOver(info fs.FileInfo) error {
	if !info.Mode().IsRegular() || !systems(info) || info.Mode().Perm()&0o027 != 0 {
		return fmt.Errorf("%s is not a file that the system has handed over, or open to other users", info.Name())
	}
	return nil
}

// systems reports whether the system's administrator owns it, or this user.
func systems(info fs.FileInfo) bool {
	owner, me, known := private.Owners(info)
	return known && (owner == 0 || owner == me)
}
