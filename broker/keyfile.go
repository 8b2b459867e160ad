package broker

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/lockfile"
	"codexauth/internal/private"
	"codexauth/internal/sharing"
	"codexauth/internal/sysfail"
)

const maxKeyFile = 1 << 20

// KeyFile is the path of a file of keys, in a directory of this user's alone. It
// holds hashes, so that who reads it can't use the keys.
type KeyFile string

func (f KeyFile) String() string { return filepath.Clean(string(f)) }

// Load returns the keys of the file; a file that is missing has none. The error
// is [ErrKeyFile] or the system's.
func (f KeyFile) Load(ctx context.Context) ([]Key, error) { return loadKeys(ctx, f) }

// Change replaces the keys by what change makes of them, durably, one process at
// a time. An error of change leaves the file as it is.
func (f KeyFile) Change(ctx context.Context, change func([]Key) ([]Key, error)) error {
	return changeKeys(ctx, f, change)
}

// Watch keeps ks as the file says until ctx ends. A new key counts at once, since
// the file is looked at for each key that is not known; any other change counts
// within about a second. A file that can't be read leaves the keys as they are, and is logged.
// It also writes down when keys were used; see [KeyFile.LastUsed].
func (f KeyFile) Watch(ctx context.Context, ks *Keys, log *slog.Logger) { watchKeys(ctx, f, ks, log) }

// LastUsed returns when a key was last used, as far as that was written down: a
// broker that runs does so within a minute. It is zero if it never was.
func (f KeyFile) LastUsed(ctx context.Context) (func(Key) time.Time, error) { return lastUsed(ctx, f) }

func (f KeyFile) path(d keyDoc) string {
	if d == docUses {
		return string(f) + ".used"
	}
	return string(f)
}

func (f KeyFile) read(_ context.Context, d keyDoc) ([]byte, error) {
	path := f.path(d)
	check := func(info fs.FileInfo) error { return private.CheckFile(path, info) }
	var text []byte
	err := sharing.LookAgain(string(f)+".lock", func() (err error) {
		text, err = atomicfile.Read(path, maxKeyFile, check)
		return err
	})
	if sysfail.Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return text, nil
}

func (f KeyFile) write(ctx context.Context, d keyDoc, change func([]byte) ([]byte, error)) error {
	if err := private.MkdirAll(filepath.Dir(string(f))); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	unlock, err := lockfile.Lock(ctx, string(f)+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	before, err := f.read(ctx, d)
	if err != nil && d == docKeys {
		return err
	}
	text, err := change(before)
	if err != nil {
		return err
	}
	return atomicfile.Write(f.path(d), text, atomicfile.Options{})
}

func (f KeyFile) every() time.Duration { return time.Second }

func (f KeyFile) stamp() (stamp, bool) {
	info, err := os.Lstat(string(f))
	if err == nil {
		os.SameFile(info, info) // on Windows its number is looked up when it is first asked for
	}
	return stamp{info, err}, true
}

// stamp tells one state of a file from another. It is replaced, never written in place.
type stamp struct {
	info fs.FileInfo
	err  error
}

func (s stamp) same(t stamp) bool {
	if s.info == nil || t.info == nil {
		return s.err != nil && t.err != nil
	}
	return os.SameFile(s.info, t.info) && s.info.ModTime().Equal(t.info.ModTime()) && s.info.Size() == t.info.Size()
}
