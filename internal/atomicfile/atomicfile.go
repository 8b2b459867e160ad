// Package atomicfile replaces files whole: a reader, a crash or a power cut sees
// either the old content or the new, never a part or a mixture.
//
// A nil error from [Write] or [Remove] means that the change is on the disk. For
// that both the file and its directory are synced: without the second, a power
// cut can bring the old file back, and an old file may hold a spent token.
package atomicfile

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"codexauth/internal/faultpoint"
	"codexauth/internal/sharing"
)

// tempPrefix begins the name of every temporary file; tempDigits hexadecimal
// digits follow. The target's name is no part of it, so that a target of the
// greatest length has room for one.
const (
	tempPrefix = ".codexauth-tmp-"
	tempDigits = 16
)

// Options say how a file is written.
type Options struct {
	// Mode is the file's permission bits, whatever the umask and whatever the
	// old file's were. Zero means 0600. Windows knows only the write bit.
	Mode fs.FileMode

	// AtOnce gives up where another program has the old file open and Windows does
	// not replace it: for what may rather stay as it is than hold its writer up.
	AtOnce bool
}

// Write replaces the file at path, or creates it, by way of a temporary file in
// the same directory, which must exist. A symbolic link at path is replaced and
// not followed. The error wraps the system's, names the step and the file, and
// never holds data. The old file is intact after an error of any step but the
// last, the directory's sync: then the new one is in place, perhaps not durably.
func Write(path string, data []byte, opts Options) error {
	if opts.AtOnce {
		return write(path, data, opts, renameOnce)
	}
	return write(path, data, opts, rename)
}

// write takes the rename as an argument, so that a test can die just before it.
func write(path string, data []byte, opts Options, rename func(from, to string) error) error {
	dir := filepath.Dir(path)
	temp, err := createTemp(dir)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	faultpoint.At(faultpoint.TempCreated)
	err = fill(temp, data, opts)
	if err == nil {
		faultpoint.At(faultpoint.TempSynced)
		err = rename(temp.Name(), path)
	}
	if err != nil {
		sharing.Remove(temp.Name())
		return fmt.Errorf("save %s: %w", path, err)
	}
	faultpoint.At(faultpoint.Renamed)
	if err := SyncDir(dir); err != nil {
		return fmt.Errorf("save %s: written, but a power cut may undo it: %w", path, err)
	}
	faultpoint.At(faultpoint.DirSynced)
	return nil
}

// rename is renameOnce, again and again while others have the old file open.
func rename(from, to string) error {
	return sharing.Retry(func() error { return renameOnce(from, to) })
}

// createTemp makes a new file that nobody could have foreseen or opened before.
func createTemp(dir string) (*os.File, error) {
	var random [tempDigits / 2]byte
	rand.Read(random[:]) // never fails
	name := filepath.Join(dir, tempPrefix+hex.EncodeToString(random[:]))
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// fill brings data to the disk and closes f in any case.
func fill(f *os.File, data []byte, opts Options) error {
	err := writeSynced(f, data, opts)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func writeSynced(f *os.File, data []byte, opts Options) error {
	mode := opts.Mode
	if mode == 0 {
		mode = 0o600
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := checkSize(f.Name(), int64(len(data))); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return finish(f, len(data))
}

// finish brings what was written to f to the disk.
func finish(f *os.File, size int) error {
	faultpoint.At(faultpoint.TempWritten)
	if err := f.Sync(); err != nil {
		return err
	}
	// A file system can lose bytes and report success; the size shows it.
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != int64(size) {
		return &fs.PathError{Op: "write", Path: f.Name(), Err: io.ErrShortWrite}
	}
	return nil
}

// Remove deletes the file at path durably. The error is the system's, and tells
// by errors.Is(err, fs.ErrNotExist) that there was none.
func Remove(path string) error {
	if err := sharing.Remove(path); err != nil {
		return err
	}
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("remove %s: done, but a power cut may undo it: %w", path, err)
	}
	return nil
}

// Read returns the content of the regular file at path, at most limit bytes of
// it: a longer file is an error. A symbolic link is not followed. If check is
// not nil it sees the file's description, and its error is returned as it is.
// An empty file gives an empty slice that is not nil.
func Read(path string, limit int64, check func(fs.FileInfo) error) ([]byte, error) {
	// Looked at before it is opened, since opening a pipe would wait.
	info, err := lstat(path)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(path, info, check); err != nil {
		return nil, err
	}
	f, err := openNoFollow(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := checkRegular(path, info, check); err != nil {
		return nil, err
	}
	return readAtMost(f, info.Size(), limit)
}

// lstat is os.Lstat, tried again where the file is just being removed.
func lstat(path string) (info fs.FileInfo, err error) {
	err = sharing.Retry(func() error {
		info, err = os.Lstat(path)
		return err
	})
	return info, err
}

func checkRegular(path string, info fs.FileInfo, check func(fs.FileInfo) error) error {
	if check != nil {
		if err := check(info); err != nil {
			return err
		}
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("read %s: not a regular file (%s)", path, info.Mode().Type())
	}
	return nil
}

// readAtMost reads to the end in one go; size is what the file is thought to have.
func readAtMost(f *os.File, size, limit int64) ([]byte, error) {
	if size <= limit {
		data := make([]byte, size+1) // one more, to see the end or a growing file
		n, err := io.ReadFull(f, data)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return data[:n:n], nil
		}
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("read %s: it grew while it was read; try again", f.Name())
	}
	return nil, fmt.Errorf("read %s: %d bytes are more than the limit of %d", f.Name(), size, limit)
}

// Clean removes temporary files from dir that are older than age: their writers
// died between creating and renaming them. It touches only files that bear this
// package's own names, and takes no notice of failures: what is left is harmless
// and the next call tries again. A writer that was merely stopped for longer
// than age gets an error from its rename and the old file stays.
func Clean(dir string, age time.Duration) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	oldest := time.Now().Add(-age)
	for _, name := range names {
		if !isTemp(name) {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && info.ModTime().Before(oldest) {
			sharing.Remove(path)
		}
	}
}

func isTemp(name string) bool {
	digits, ok := strings.CutPrefix(name, tempPrefix)
	return ok && len(digits) == tempDigits && strings.Trim(digits, "0123456789abcdef") == ""
}
