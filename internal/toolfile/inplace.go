package toolfile

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"syscall"

	"codexauth/internal/atomicfile"
)

// A file can be a mount point, as in a container that is given just this file of its
// host. Nothing can be renamed over it or away from it; it can only be written in
// place. So can a file in a directory that is not ours to write to.

// Write puts data at path, durably and at once where that is possible.
func Write(path string, data []byte, o atomicfile.Options) error {
	err := atomicfile.Write(path, data, o)
	if err == nil || !OnlyInPlace(err) {
		return err
	}
	if inPlace := WriteInPlace(path, data); inPlace != nil {
		return errors.Join(err, inPlace)
	}
	return nil
}

// removeFile removes the file at path, or empties it where it can't be removed.
func removeFile(path string) error {
	err := atomicfile.Remove(path)
	if err == nil || !OnlyInPlace(err) {
		return err
	}
	if inPlace := WriteInPlace(path, nil); inPlace != nil {
		return errors.Join(err, inPlace)
	}
	return nil
}

// OnlyInPlace reports whether err is that a name can't be given to another file,
// which says nothing about the file's content. On Windows it most likely is that
// somebody reads the file, and then it is not to be changed under them.
func OnlyInPlace(err error) bool {
	return runtime.GOOS != "windows" && (errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) ||
		errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission))
}

// WriteInPlace overwrites the file at path, which must be there.
func WriteInPlace(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Truncate(int64(len(data)))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
