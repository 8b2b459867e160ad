// Package file keeps records in files: one directory that only its user may
// enter, one file a record, next to it one lock file that is never deleted.
//
// A claim is a file lock, which the system ends when its holder dies, however it
// dies. A record is replaced by way of a synced temporary file, so what was
// committed survives a crash and a power cut, and what was not leaves the old
// record whole. Several processes, containers that mount the same directory, and
// any number of Stores opened on it may share it.
//
// It is meant for the local file systems of one machine. On network file systems
// locks may not exclude and reads may be stale, and either costs a login; for
// several machines take a database store.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/sharing"
	"codexauth/internal/statedir"
	"codexauth/internal/sysfail"
)

const (
	recordPrefix = "record-"
	lockPrefix   = "lock-"

	// maxRecord is the largest record in bytes; real ones have some kilobytes.
	maxRecord = 1 << 20

	// staleAfter is the age from which a temporary file has no writer any more:
	// longer than anybody waits for an answer for which room was reserved.
	staleAfter = 2 * time.Hour
)

// Store is a [codexauth.Store] in a directory. Make one with [Open] or [Default].
// Reading and writing a local disk cannot be interrupted, so of its methods only
// Claim respects its context.
type Store struct {
	dir   string
	turns sync.Map // file name → *turns
	clean sync.Once
}

var _ codexauth.Store = (*Store)(nil)

// Open returns the store in dir, which a Claim creates if it is missing. A
// directory that is not private to this user is an error that wraps
// [codexauth.ErrStoreUnsafe]; every later call looks again.
func Open(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("open file store: no directory given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open file store: %w", err)
	}
	s := &Store{dir: abs}
	if _, err := s.look(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open file store: %w", explain(err))
	}
	return s, nil
}

// Default returns the store in [DefaultDir].
func Default() (*Store, error) {
	dir, err := DefaultDir()
	if err != nil {
		return nil, err
	}
	return Open(dir)
}

// DefaultDir returns $CODEXAUTH_HOME or, where that is empty, the directory
// codexauth in the place that the system keeps for a program's state:
// $XDG_STATE_HOME or ~/.local/state, ~/Library/Application Support on macOS,
// %LocalAppData% on Windows. It looks at no file.
func DefaultDir() (string, error) {
	if dir := os.Getenv("CODEXAUTH_HOME"); dir != "" {
		return dir, nil
	}
	state, err := statedir.Dir()
	if err != nil {
		return "", fmt.Errorf("no place for the store: %w; set CODEXAUTH_HOME to a directory or use --store file:DIR", err)
	}
	return filepath.Join(state, "codexauth"), nil
}

// String returns "file:" and the directory.
func (s *Store) String() string { return "file:" + s.dir }

// Load returns the record of key. In a directory that does not exist there is none.
func (s *Store) Load(_ context.Context, key string) ([]byte, error) {
	record, err := s.load(key)
	if err != nil {
		return nil, fmt.Errorf("load %q: %w", key, explain(err))
	}
	if record == nil {
		return nil, fmt.Errorf("load %q: %w in %s", key, codexauth.ErrNotFound, s)
	}
	return record, nil
}

func (s *Store) load(key string) ([]byte, error) {
	name, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	if _, err := s.look(); err != nil {
		return nil, noneIfMissing(err)
	}
	return s.read(name)
}

// List returns the keys of the directory; none if it does not exist.
func (s *Store) List(context.Context) ([]string, error) {
	keys, err := s.list()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s, explain(err))
	}
	return keys, nil
}

func (s *Store) list() ([]string, error) {
	if _, err := s.look(); err != nil {
		return nil, noneIfMissing(err)
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, noneIfMissing(err)
	}
	var keys []string
	for _, entry := range entries {
		name, ok := strings.CutPrefix(entry.Name(), recordPrefix)
		if !ok {
			continue
		}
		if key, ok := decodeKey(name); ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// read returns the record in the file of that name; nil if there is none.
func (s *Store) read(name string) ([]byte, error) {
	path := s.recordPath(name)
	check := func(info fs.FileInfo) error { return checkRecord(path, info) }
	var record []byte
	err := sharing.LookAgain(s.lockPath(name), func() (err error) {
		record, err = atomicfile.Read(path, maxRecord, check)
		return err
	})
	return record, noneIfMissing(err)
}

// look examines the directory, which is never trusted from one call to the next.
func (s *Store) look() (fs.FileInfo, error) {
	info, err := os.Lstat(s.dir)
	if err != nil {
		return nil, err
	}
	return info, checkDir(s.dir, info)
}

func (s *Store) recordPath(name string) string {
	return filepath.Join(s.dir, recordPrefix+name)
}

// OneMachine is true: this store is not made for a directory that machines share.
func (s *Store) OneMachine() bool { return true }

func (s *Store) lockPath(name string) string {
	return filepath.Join(s.dir, lockPrefix+name)
}

// noneIfMissing turns "no such file" into no error.
func noneIfMissing(err error) error {
	if sysfail.Missing(err) {
		return nil
	}
	return err
}
