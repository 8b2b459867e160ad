package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"codexauth/internal/faultpoint"
	"codexauth/internal/sharing"
)

// A Room is what one later replacement of a file needs and somebody else could
// take meanwhile: a temporary file that has its blocks on the disk, and the
// descriptors of it and of its directory. It is used by one goroutine at a time.
//
// On Linux the blocks are really set aside (fallocate), unless the file system
// copies at each write; elsewhere they are written once.
type Room struct {
	dir  string
	name string   // of the temporary file
	temp *os.File // nil after a failed attempt that had to close it
	home *os.File // the directory; nil where it can't be opened, as on Windows
}

// Reserve makes a Room in dir for a file of up to size bytes. What is larger is
// still written, but may find the disk full.
func Reserve(dir string, size int) (*Room, error) {
	temp, err := createTemp(dir)
	if err != nil {
		return nil, fmt.Errorf("reserve room in %s: %w", dir, err)
	}
	r := &Room{dir: dir, name: temp.Name(), temp: temp}
	if err = temp.Chmod(0o600); err == nil {
		err = allocate(temp, int64(size))
	}
	if err == nil {
		r.home, err = openDir(dir)
	}
	if err != nil {
		r.Release()
		return nil, fmt.Errorf("reserve room in %s: %w", dir, err)
	}
	return r, nil
}

// Replace is Write with mode 0600, to a path in the Room's directory. It uses the
// Room up if it succeeds, or fails at the last step; after any other error it can
// be tried again.
func (r *Room) Replace(path string, data []byte) error {
	if r.name == "" {
		return fmt.Errorf("save %s: the room that was reserved for it is used up", path)
	}
	faultpoint.At(faultpoint.TempCreated)
	err := r.write(data)
	if err == nil {
		faultpoint.At(faultpoint.TempSynced)
		err = rename(r.name, path)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	faultpoint.At(faultpoint.Renamed)
	r.name = ""
	err = r.syncDir()
	r.Release()
	if err != nil {
		return fmt.Errorf("save %s: written, but a power cut may undo it: %w", path, err)
	}
	faultpoint.At(faultpoint.DirSynced)
	return nil
}

// write brings data to the disk in place of what an earlier attempt left.
func (r *Room) write(data []byte) (err error) {
	if r.temp == nil {
		err = sharing.Retry(func() error {
			r.temp, err = os.OpenFile(r.name, os.O_RDWR, 0)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := checkSize(r.name, int64(len(data))); err != nil {
		return err
	}
	if _, err := r.temp.WriteAt(data, 0); err != nil {
		return err
	}
	if err := r.temp.Truncate(int64(len(data))); err != nil {
		return err
	}
	if err := finish(r.temp, len(data)); err != nil {
		return err
	}
	if err := r.holds(data); err != nil {
		return err
	}
	if closeBeforeRename {
		err, r.temp = r.temp.Close(), nil
	}
	return err
}

// holds makes sure that the file holds data: its size does not show which of its
// bytes were lost in silence, since all of them had been set aside.
func (r *Room) holds(data []byte) error {
	there := make([]byte, len(data))
	if _, err := r.temp.ReadAt(there, 0); err != nil {
		return err
	}
	if !bytes.Equal(there, data) {
		return &fs.PathError{Op: "write", Path: r.name, Err: io.ErrShortWrite}
	}
	return nil
}

func (r *Room) syncDir() error {
	if r.home == nil {
		return SyncDir(r.dir)
	}
	return syncOpen(r.home)
}

// Used reports whether the Room holds nothing any more.
func (r *Room) Used() bool { return r.name == "" }

// Release gives back what is still set aside. Calling it again does nothing.
func (r *Room) Release() {
	if r.temp != nil {
		r.temp.Close()
	}
	if r.home != nil {
		r.home.Close()
	}
	if r.name != "" {
		sharing.Remove(r.name)
	}
	r.temp, r.home, r.name = nil, nil, ""
}

// writeZeros makes a file take its room where the system can't set it aside.
func writeZeros(f *os.File, size int64) error {
	if err := checkSize(f.Name(), size); err != nil {
		return err
	}
	_, err := f.WriteAt(make([]byte, size), 0)
	return err
}

// tooLarge is the system's own error for a file beyond a limit.
func tooLarge(path string, err error) error {
	return &fs.PathError{Op: "write", Path: filepath.Clean(path), Err: err}
}

// NoDescriptor reports whether err says that this process or the system has as
// many files open as it may.
func NoDescriptor(err error) bool {
	for _, target := range noDescriptor {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
