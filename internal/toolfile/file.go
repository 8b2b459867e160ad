// Package toolfile changes the settings files of other programs: followed through
// links, never half written, with a backup, and so that the change can be taken back.
package toolfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
)

// maxSize is how many bytes a file may have.
const maxSize = 1 << 20

// Why a file is left as it is.
var (
	ErrChanged  = errors.New("it was changed meanwhile")
	ErrReadOnly = errors.New("it is read-only")
)

// A File is a settings file on the disk.
type File struct {
	Path   string // symbolic links resolved
	Text   string // empty if there is no file
	Exists bool
	Mode   fs.FileMode // of a new one, if there is none
}

// Read reads the file at path, which need not exist. A link, such as people have
// who keep their settings in one place, is followed.
func Read(path string) (File, error) {
	f := File{Path: path, Mode: 0o600}
	resolved, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return f, fmt.Errorf("%s is a link that leads nowhere: mend it or take it away", path)
		}
		return f, nil
	}
	if err != nil {
		return f, err
	}
	f.Path = resolved
	data, err := atomicfile.Read(f.Path, maxSize, func(info fs.FileInfo) error {
		if owner, me, known := private.Owners(info); known && owner != me {
			return fmt.Errorf("%s belongs to user %d, and this is user %d", f.Path, owner, me)
		}
		f.Mode = info.Mode().Perm()
		return nil
	})
	f.Text, f.Exists = string(data), err == nil
	return f, err
}

// Replace writes text in place of what was read, with f's mode, and returns
// the path of a backup of that, if there was anything and keep says so. Without
// text there is no file afterwards. What somebody else wrote since is left alone:
// that is [ErrChanged].
func (f File) Replace(text string, keep bool) (backup string, err error) {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return "", err
	}
	if err := f.unchanged(); err != nil {
		return "", err
	}
	if f.Text != "" && keep {
		if backup, err = CopyAway(f.Path, []byte(f.Text), f.Mode); err != nil {
			return "", err
		}
	}
	return backup, f.put(text)
}

// put writes text at once, or removes the file if there is none.
func (f File) put(text string) error {
	if text == "" {
		if !f.Exists {
			return nil
		}
		return removeFile(f.Path)
	}
	return Write(f.Path, []byte(text), atomicfile.Options{Mode: f.Mode})
}

// unchanged looks once more at the file, just before it is replaced.
func (f File) unchanged() error {
	if f.Exists && f.Mode&0o200 == 0 {
		return fmt.Errorf("%s: %w", f.Path, ErrReadOnly)
	}
	now, err := Read(f.Path)
	if err != nil {
		return err
	}
	if now.Text != f.Text || now.Exists != f.Exists {
		return fmt.Errorf("%s: %w", f.Path, ErrChanged)
	}
	return nil
}

// Exposed reports whether other users can read the file.
func (f File) Exposed() bool {
	return f.Exists && f.Mode&0o077 != 0 && runtime.GOOS != "windows"
}

// BackupName returns a name for a backup of path that nothing bears yet.
func BackupName(path string, now time.Time) (string, error) {
	base := path + ".codexauth-backup-" + now.UTC().Format("20060102T150405Z")
	for n := range 1000 {
		name := base
		if n > 0 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		_, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("there are too many backups of %s", path)
}

// CopyAway writes data, which is what path holds, to a backup beside it.
func CopyAway(path string, data []byte, mode fs.FileMode) (backup string, err error) {
	backup, err = BackupName(path, time.Now())
	if err != nil {
		return "", err
	}
	return backup, atomicfile.Write(backup, data, atomicfile.Options{Mode: mode})
}
