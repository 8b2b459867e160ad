package toolfile

import (
	"errors"
	"fmt"
	"io"
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
	return orInPlace(err, WriteInPlace(path, data))
}

// removeFile removes the file at path, or empties it where it can't be removed.
func removeFile(path string) error {
	err := atomicfile.Remove(path)
	if err == nil || !OnlyInPlace(err) {
		return err
	}
	return orInPlace(err, WriteInPlace(path, nil))
}

// orInPlace is how a change ended that was tried in place after err.
func orInPlace(err, inPlace error) error {
	switch {
	case inPlace == nil:
		return nil
	case errors.Is(inPlace, fs.ErrNotExist): // there was nothing to write into
		return err
	}
	return fmt.Errorf("%w; and in place: %w", err, inPlace)
}

// OnlyInPlace reports whether err is that a name can't be given to another file,
// which says nothing about the file's content. On Windows it most likely is that
// somebody reads the file, and then it is not to be changed under them.
func OnlyInPlace(err error) bool {
	return runtime.GOOS != "windows" && (errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EXDEV) ||
		errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission))
}

// WriteInPlace overwrites the file at path, which must be there. If that fails on its
// way, as on a full disk, what stood there is put back.
func WriteInPlace(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	old, err := io.ReadAll(f)
	if err == nil {
		if err = overwrite(f, data); err != nil {
			err = errors.Join(err, overwrite(f, old)) // there was room for it
		}
	}
	return errors.Join(err, f.Close())
}

func overwrite(f *os.File, data []byte) error {
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(data))); err != nil {
		return err
	}
	return f.Sync()
}
