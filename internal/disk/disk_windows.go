package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// writable asks for a handle that may add files.
func writable(dir string) error {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	const all = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	h, err := windows.CreateFile(name, windows.FILE_WRITE_DATA, all, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return windows.CloseHandle(h)
}

func network(dir string) (string, error) {
	if _, err := os.Stat(dir); err != nil {
		return "", err
	}
	root, err := volume(dir)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(root, `\\`) && !strings.HasPrefix(root, `\\?\`) {
		return "a network share", nil
	}
	name, err := windows.UTF16PtrFromString(root)
	if err != nil {
		return "", err
	}
	if windows.GetDriveType(name) == windows.DRIVE_REMOTE {
		return "a network drive", nil
	}
	return "", nil
}

// volume is the root of the drive or share that dir is on.
func volume(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.VolumeName(abs) + `\`, nil
}

func free(dir string) (uint64, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var bytes uint64
	if err := windows.GetDiskFreeSpaceEx(name, &bytes, nil, nil); err != nil {
		return 0, false
	}
	return bytes, true
}
