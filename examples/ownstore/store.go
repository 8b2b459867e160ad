//go:build unix

// Package ownstore is a complete store of one's own: one file a key in a directory
// that programs on one machine share. It is what to start from for another place.
// (For this place take codexauth/store/file, which also minds who else can read
// the directory, and Windows.)
//
// A store has two duties. A claim excludes everybody else, ends when its holder
// dies, and not because it is slow: here the kernel's lock on a file does that. And
// Commit replaces the record only if it is still the one that was read, durably.
package ownstore

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"codexauth"
)

// Store keeps records in the directory that it names, which must exist and be
// this user's alone.
type Store string

var _ codexauth.Store = Store("")

// path of a key's record or lock. Any text is a key, so it is encoded.
func (s Store) path(key, kind string) string {
	return filepath.Join(string(s), hex.EncodeToString([]byte(key))+kind)
}

// Load returns the record of key. A record is replaced by a rename, so what is
// read is whole.
func (s Store) Load(_ context.Context, key string) ([]byte, error) {
	record, err := os.ReadFile(s.path(key, ".record"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load %q: %w", key, codexauth.ErrNotFound)
	}
	return record, err
}

// List returns the keys that have a record.
func (s Store) List(context.Context) (keys []string, err error) {
	entries, err := os.ReadDir(string(s))
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".record")
		if key, err := hex.DecodeString(name); ok && err == nil {
			keys = append(keys, string(key))
		}
	}
	slices.Sort(keys)
	return keys, err
}

// Claim waits for the lock. The lock file is never removed: two holders of two
// files of one name would both hold it.
func (s Store) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	if key == "" {
		return nil, errors.New("claim: the key is empty")
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("claim %q: %w", key, ctx.Err())
	}
	lock, err := os.OpenFile(s.path(key, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := waitForLock(ctx, lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("claim %q: %w", key, err)
	}
	sign(lock)
	c := &claim{store: s, key: key, lock: lock}
	if _, err := c.Reload(ctx); err != nil {
		lock.Close()
		return nil, err
	}
	return c, nil
}

func waitForLock(ctx context.Context, lock *os.File) error {
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-time.After(2 * time.Millisecond): // another place may be able to wake you up
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%w: %s", codexauth.ErrBusy, holder(lock))
			}
			return ctx.Err()
		}
	}
}

// sign writes into the lock file who holds it, for the error of whoever waits in
// vain. It decides nothing, so whether it can be written does not matter.
func sign(lock *os.File) {
	lock.Truncate(0)
	fmt.Fprintf(lock, "process %d", os.Getpid())
}

func holder(lock *os.File) string {
	name := make([]byte, 64)
	n, _ := lock.ReadAt(name, 0)
	return string(name[:n])
}

// claim is a held lock.
type claim struct {
	store Store
	key   string
	lock  *os.File // nil once it is released; closing it frees the lock
	last  []byte   // what was last read or committed; nil: no record
}

func (c *claim) Record() []byte { return c.last }

func (c *claim) Reload(context.Context) ([]byte, error) {
	if c.lock == nil {
		return nil, c.released()
	}
	record, err := c.read()
	if err == nil {
		c.last = record
	}
	return record, err
}

// read returns nil where there is no record.
func (c *claim) read() ([]byte, error) {
	record, err := c.store.Load(context.Background(), c.key)
	if errors.Is(err, codexauth.ErrNotFound) {
		return nil, nil
	}
	return record, err
}

// Commit writes a new file, brings it to the disk, renames it, and brings the
// rename to the disk: without the last, a power cut brings a spent token back.
func (c *claim) Commit(_ context.Context, record []byte) error {
	if err := c.compare(); err != nil {
		return err
	}
	temp, err := os.CreateTemp(string(c.store), "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // after the rename there is none
	_, err = temp.Write(record)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), c.store.path(c.key, ".record")); err != nil {
		return err
	}
	c.last = append([]byte{}, record...)
	return c.syncDir()
}

func (c *claim) Delete(context.Context) error {
	if err := c.compare(); err != nil {
		return err
	}
	if err := os.Remove(c.store.path(c.key, ".record")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c.last = nil
	return c.syncDir()
}

// compare wants the record to be the one that was last read. Under the lock only
// somebody who knows nothing of it can have changed it, such as a restored backup.
func (c *claim) compare() error {
	if c.lock == nil {
		return c.released()
	}
	now, err := c.read()
	if err == nil && (!bytes.Equal(now, c.last) || (now == nil) != (c.last == nil)) {
		err = fmt.Errorf("%q: %w", c.key, codexauth.ErrLost)
	}
	return err
}

func (c *claim) syncDir() error {
	dir, err := os.Open(string(c.store))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (c *claim) Release() error {
	if c.lock == nil {
		return nil
	}
	lock := c.lock
	c.lock = nil
	return lock.Close()
}

func (c *claim) released() error { return fmt.Errorf("%q: the claim was released", c.key) }
