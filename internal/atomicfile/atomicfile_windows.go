package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"codexauth/internal/sharing"
)

// renameOnce replaces the file at to, also while others have it open for reading, as
// far as they let us (FileRenameInfoEx with POSIX semantics). Systems and file
// systems that know no such rename (before Windows 10 1607, FAT, ReFS, Wine) get
// the old one, which waits for the last reader to go.
//
// The handle writes through: what is renamed by such a handle is on the disk when
// the call returns (CreateFile, "Caching Behavior"). A directory can't be synced.
func renameOnce(from, to string) error {
	h, err := createFile(from, windows.GENERIC_WRITE|windows.DELETE, windows.FILE_FLAG_WRITE_THROUGH)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	defer windows.CloseHandle(h)
	const posix = windows.FILE_RENAME_REPLACE_IF_EXISTS | windows.FILE_RENAME_POSIX_SEMANTICS | windows.FILE_RENAME_IGNORE_READONLY_ATTRIBUTE
	err = setName(h, windows.FileRenameInfoEx, posix, to)
	if err != nil && !sharing.Violated(err) {
		err = setName(h, windows.FileRenameInfo, windows.FILE_RENAME_REPLACE_IF_EXISTS, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	windows.FlushFileBuffers(h) // the name is there; nothing to undo if this fails
	return nil
}

// renameInfo is FILE_RENAME_INFO, but for the name that follows it.
type renameInfo struct {
	Flags    uint32
	Root     windows.Handle
	NameSize uint32 // in bytes
	Name     [1]uint16
}

func setName(h windows.Handle, class, flags uint32, to string) error {
	name, err := syscall.UTF16FromString(longPath(to))
	if err != nil {
		return err
	}
	size := unsafe.Offsetof(renameInfo{}.Name) + uintptr(len(name))*unsafe.Sizeof(name[0])
	buffer := make([]uint64, (size+7)/8) // aligned
	info := (*renameInfo)(unsafe.Pointer(&buffer[0]))
	info.Flags = flags
	info.NameSize = uint32(len(name)-1) * uint32(unsafe.Sizeof(name[0]))
	copy(unsafe.Slice(&info.Name[0], len(name)), name)
	return windows.SetFileInformationByHandle(h, class, (*byte)(unsafe.Pointer(info)), uint32(size))
}

// createFile opens what is at path itself, not what a link there leads to, and
// lets everybody else read, write and replace it meanwhile.
func createFile(path string, access, flags uint32) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(longPath(path))
	if err != nil {
		return 0, err
	}
	const everything = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE
	return windows.CreateFile(name, access, everything, nil, windows.OPEN_EXISTING,
		flags|windows.FILE_FLAG_OPEN_REPARSE_POINT|windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
}

// longPath is path in the form that may be longer than 260 characters.
func longPath(path string) string {
	const short = 248
	abs, err := filepath.Abs(path)
	switch {
	case err != nil || len(abs) < short || strings.HasPrefix(abs, `\\?\`) || strings.HasPrefix(abs, `\\.\`):
		return path
	case strings.HasPrefix(abs, `\\`):
		return `\\?\UNC\` + abs[2:]
	}
	return `\\?\` + abs
}

// openNoFollow opens a file so that it can be replaced while it is read.
func openNoFollow(path string) (f *os.File, err error) {
	err = sharing.Retry(func() error {
		h, err := createFile(path, windows.GENERIC_READ, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		f = os.NewFile(uintptr(h), path)
		return nil
	})
	return f, err
}

// SyncDir does nothing on Windows, where a directory cannot be synced.
func SyncDir(string) error { return nil }

// closeBeforeRename: the file is opened again, by a handle that may rename it.
const closeBeforeRename = true

func openDir(string) (*os.File, error) { return nil, nil }

func syncOpen(*os.File) error { return nil }

// noDescriptor are the errors of NoDescriptor.
var noDescriptor = [...]error{syscall.EMFILE, windows.ERROR_TOO_MANY_OPEN_FILES}

func checkSize(string, int64) error { return nil }
