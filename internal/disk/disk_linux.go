package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const blockSize = 4096

func writable(dir string) error {
	// O_TMPFILE makes a file that no directory names and that is gone with its
	// descriptor (open(2)).
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL): // not on every file system
		return unix.Access(dir, unix.W_OK|unix.X_OK)
	case err != nil:
		return err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	if _, err := f.Write(make([]byte, blockSize)); err != nil {
		return err
	}
	return f.Sync()
}

// networkTypes are the magic numbers of statfs(2) whose locks may not exclude
// other machines, or whose reads may be stale.
func networkTypes() map[int64]string {
	return map[int64]string{
		unix.NFS_SUPER_MAGIC: "nfs", unix.SMB_SUPER_MAGIC: "smb", unix.SMB2_SUPER_MAGIC: "smb2", unix.CIFS_SUPER_MAGIC: "cifs",
		unix.AFS_SUPER_MAGIC: "afs", unix.AFS_FS_MAGIC: "afs", unix.CODA_SUPER_MAGIC: "coda", unix.CEPH_SUPER_MAGIC: "ceph",
		unix.V9FS_MAGIC: "9p", unix.FUSE_SUPER_MAGIC: "fuse", unix.OCFS2_SUPER_MAGIC: "ocfs2",
		0x01161970: "gfs2", 0x0bd00bd0: "lustre",
	}
}

func network(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", err
	}
	return networkTypes()[int64(uint32(s.Type))], nil
}

func free(dir string) (uint64, bool) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, false
	}
	return s.Bavail * uint64(s.Bsize), true
}
