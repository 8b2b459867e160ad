package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/lockfile"
	"codexauth/internal/private"
)

// claim is a [codexauth.Claim]: a held file lock.
type claim struct {
	store   *Store
	key     string
	name    string       // of the files
	dir     fs.FileInfo  // the directory when the claim was won
	last    []byte       // what was last read or committed; nil: no record
	release func() error // nil once it is released
	rooms   []*atomicfile.Room
	spare   *os.File // is closed where reading the record needs its descriptor
}

var _ codexauth.Reserver = (*claim)(nil)

// Claim waits for the exclusive right to change key, and creates the directory
// (0700, whatever the umask) if it is missing.
func (s *Store) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.claim(ctx, key)
	var busy *lockfile.BusyError
	if errors.As(err, &busy) {
		return nil, fmt.Errorf("claim %q: %w: held by %s", key, codexauth.ErrBusy, busy.Holder)
	}
	if err != nil {
		return nil, fmt.Errorf("claim %q: %w", key, explain(err))
	}
	return c, nil
}

func (s *Store) claim(ctx context.Context, key string) (*claim, error) {
	name, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	if err := s.ensureDir(); err != nil {
		return nil, err
	}
	if err := checkLock(s.lockPath(name)); err != nil {
		return nil, err
	}
	release, err := s.lock(ctx, name)
	if err != nil {
		return nil, err
	}
	c := &claim{store: s, key: key, name: name, release: release}
	if c.dir, err = s.look(); err == nil {
		// Windows learns a directory's identity by its name when it is first compared.
		os.SameFile(c.dir, c.dir)
		c.last, err = s.read(name)
	}
	if err != nil {
		release()
		return nil, err
	}
	return c, nil
}

// lock takes the turn within this Store, so that its goroutines queue up instead
// of polling, and then the lock against everybody else.
func (s *Store) lock(ctx context.Context, name string) (release func() error, err error) {
	path := s.lockPath(name)
	value, _ := s.turns.LoadOrStore(name, &turns{turn: make(chan struct{}, 1), file: lockfile.NewMutex(path)})
	t := value.(*turns)
	if err := takeTurn(ctx, t.turn, path); err != nil {
		return nil, err
	}
	unlock, err := t.file.Lock(ctx)
	if err != nil {
		<-t.turn
		return nil, err
	}
	return func() error {
		err := unlock()
		<-t.turn
		return err
	}, nil
}

// turns is how the goroutines of one Store come to the lock of one key.
type turns struct {
	turn chan struct{}
	file *lockfile.Mutex
}

func takeTurn(ctx context.Context, turn chan struct{}, path string) error {
	select {
	case turn <- struct{}{}: // also with a deadline that has passed
		return nil
	default:
	}
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &lockfile.BusyError{Path: path, Holder: lockfile.ReadHolder(path)}
	}
	return ctx.Err()
}

// Record returns what this claim last read or committed.
func (c *claim) Record() []byte { return c.last }

// Reload reads the record again.
func (c *claim) Reload(context.Context) ([]byte, error) {
	record, err := c.read()
	if err != nil {
		return nil, fmt.Errorf("reload %q: %w", c.key, explain(err))
	}
	c.last = record
	return record, nil
}

// Commit replaces the record. It works to the end even if ctx has ended: what it
// saves can't be had again.
func (c *claim) Commit(_ context.Context, record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("commit %q: a record of %d bytes is larger than %d", c.key, len(record), maxRecord)
	}
	record = append([]byte{}, record...) // not nil, even if it is empty
	err := c.replace(record, func(path string) error { return c.write(path, record) })
	if err != nil {
		return fmt.Errorf("commit %q: %w", c.key, explain(err))
	}
	c.store.clean.Do(func() { atomicfile.Clean(c.store.dir, staleAfter) })
	return nil
}

// write puts record into the file at path, in a room that was reserved for it if
// there is one.
func (c *claim) write(path string, record []byte) error {
	if len(c.rooms) == 0 {
		return atomicfile.Write(path, record, atomicfile.Options{})
	}
	room := c.rooms[len(c.rooms)-1]
	err := room.Replace(path, record)
	if room.Used() {
		c.rooms = c.rooms[:len(c.rooms)-1]
	} else if errors.Is(err, fs.ErrNotExist) { // somebody has cleared temporary files away
		room.Release()
		c.rooms = c.rooms[:len(c.rooms)-1]
		return atomicfile.Write(path, record, atomicfile.Options{})
	}
	return err
}

// Reserve sets aside what a Commit needs: a temporary file with its blocks, and
// the descriptors, the one for reading the old record included.
func (c *claim) Reserve(_ context.Context, size int) error {
	if err := c.reserve(size); err != nil {
		return fmt.Errorf("reserve room for %q: %w", c.key, explain(err))
	}
	return nil
}

func (c *claim) reserve(size int) error {
	if _, err := c.read(); err != nil { // also: the directory is the one that was claimed
		return err
	}
	room, err := atomicfile.Reserve(c.store.dir, size)
	if err != nil {
		return err
	}
	if c.spare == nil {
		if c.spare, err = os.Open(os.DevNull); err != nil {
			room.Release()
			return err
		}
	}
	c.rooms = append(c.rooms, room)
	return nil
}

// unreserve gives back what was set aside and not used.
func (c *claim) unreserve() {
	for _, room := range c.rooms {
		room.Release()
	}
	c.rooms = nil
	c.closeSpare()
}

func (c *claim) closeSpare() {
	if c.spare != nil {
		c.spare.Close()
		c.spare = nil
	}
}

// Delete removes the record's file.
func (c *claim) Delete(context.Context) error {
	err := c.replace(nil, func(path string) error {
		return noneIfMissing(atomicfile.Remove(path))
	})
	if err != nil {
		return fmt.Errorf("delete %q: %w", c.key, explain(err))
	}
	return nil
}

// replace puts record in the place of the one that this claim knows.
func (c *claim) replace(record []byte, put func(path string) error) error {
	stored, err := c.read()
	if atomicfile.NoDescriptor(err) {
		c.closeSpare()
		stored, err = c.read()
	}
	if err != nil {
		return err
	}
	if !same(stored, c.last) {
		return fmt.Errorf("%w: %s is not what was claimed", codexauth.ErrLost, c.store.recordPath(c.name))
	}
	err = put(c.store.recordPath(c.name))
	if err != nil {
		// It may be in place all the same, only not yet durable. Then it is this
		// claim's own, and a second attempt must be able to replace it.
		if now, readErr := c.read(); readErr != nil || !same(now, record) {
			return err
		}
	}
	c.last = record
	return err
}

// read returns the stored record, nil if there is none, from the directory that
// was claimed. Another one in its place means that a volume was unmounted or the
// directory replaced: what is saved there would be hidden or lost.
func (c *claim) read() ([]byte, error) {
	if c.release == nil {
		return nil, errors.New("the claim was released")
	}
	dir, err := c.store.look()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(dir, c.dir) {
		return nil, fmt.Errorf("%s was replaced by another directory since it was claimed (a volume mounted or unmounted?): %w",
			c.store.dir, fs.ErrNotExist)
	}
	return c.store.read(c.name)
}

// Release unlocks the file.
func (c *claim) Release() error {
	if c.release == nil {
		return nil
	}
	c.unreserve()
	err := c.release()
	c.release = nil
	if err != nil {
		return fmt.Errorf("release %q: %w", c.key, err)
	}
	return nil
}

// same tells no record (nil) from an empty one.
func same(a, b []byte) bool {
	return (a == nil) == (b == nil) && bytes.Equal(a, b)
}

// ensureDir creates the directory if it is missing, and examines it.
func (s *Store) ensureDir() error {
	_, err := s.look()
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDir(s.dir); err != nil {
		return err
	}
	_, err = s.look()
	return err
}

// makeDir creates dir and its missing parents, all 0700 as the XDG specification
// wants it, and durably: a power cut must not take a new directory together with
// the first sign-in.
func makeDir(dir string) error {
	err := private.Mkdir(dir)
	parent := filepath.Dir(dir)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
		err = private.Mkdir(dir)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody was faster
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil { // the umask may have taken bits
		return err
	}
	return atomicfile.SyncDir(parent)
}
