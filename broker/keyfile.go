package broker

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/lockfile"
	"codexauth/internal/private"
)

const (
	maxKeyFile = 1 << 20
	keyPoll    = time.Second // how soon a change of the file counts
)

// ErrKeyFile: a file of keys can't be used.
var ErrKeyFile = errors.New("unusable key file")

// KeyFile is the path of a file of keys, in a directory of this user's alone. It
// holds hashes, so that who reads it can't use the keys.
type KeyFile string

type keyFileBody struct {
	Keys []storedKey `json:"keys"`
}

type storedKey struct {
	Name    string    `json:"name"`
	SHA256  string    `json:"sha256"` // hex
	Lease   bool      `json:"lease,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Paths   []string  `json:"paths,omitempty"`
	Rate    string    `json:"rate,omitempty"` // as ParseRate reads it
	Burst   int       `json:"burst,omitempty"`
	Streams int       `json:"streams,omitempty"`
}

func (s storedKey) key() (Key, error) {
	k := Key{Name: s.Name, Lease: s.Lease, Expires: s.Expires, Paths: s.Paths, Streams: s.Streams}
	if n, err := hex.Decode(k.SHA256[:], []byte(s.SHA256)[:min(len(s.SHA256), 64)]); err != nil || n != 32 || len(s.SHA256) != 64 {
		return k, fmt.Errorf("the hash of key %q is not one", s.Name)
	}
	if s.Rate == "" {
		return k, nil
	}
	var err error
	if k.Rate, err = ParseRate(s.Rate); err != nil {
		return k, fmt.Errorf("key %q: %w", s.Name, err)
	}
	k.Rate.Burst = s.Burst
	return k, nil
}

func (k Key) stored() storedKey {
	s := storedKey{Name: k.Name, SHA256: hex.EncodeToString(k.SHA256[:]), Lease: k.Lease, Expires: k.Expires, Paths: k.Paths, Streams: k.Streams}
	if k.Rate.N > 0 {
		s.Rate, s.Burst = k.Rate.short(), k.Rate.Burst
	}
	return s
}

// Load returns the keys of the file; a file that is missing has none. The error
// is [ErrKeyFile] or the system's.
func (f KeyFile) Load() ([]Key, error) {
	text, err := atomicfile.Read(string(f), maxKeyFile, func(info fs.FileInfo) error { return private.CheckFile(string(f), info) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	var body keyFileBody
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows put it there
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // a limit on a key that we don't know must not be passed over
	if err := d.Decode(&body); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, f, err)
	}
	var keys []Key
	for _, s := range body.Keys {
		k, err := s.key()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, f, err)
		}
		keys = append(keys, k)
	}
	if err := checkKeys(keys); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, f, err)
	}
	return keys, nil
}

// Change replaces the keys by what change makes of them, durably, one process at
// a time. An error of change leaves the file as it is.
func (f KeyFile) Change(ctx context.Context, change func([]Key) ([]Key, error)) error {
	if err := private.MkdirAll(filepath.Dir(string(f))); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	unlock, err := lockfile.Lock(ctx, string(f)+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := f.Load()
	if err != nil {
		return err
	}
	if keys, err = change(keys); err != nil {
		return err
	}
	if err := checkKeys(keys); err != nil {
		return err
	}
	body := keyFileBody{Keys: []storedKey{}}
	for _, k := range keys {
		body.Keys = append(body.Keys, k.stored())
	}
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(string(f), append(text, '\n'), atomicfile.Options{})
}

// Watch keeps ks as the file says until ctx ends. A new key counts at once, since
// the file is looked at for each key that is not known; any other change counts
// within about a second. A file that can't be read leaves the keys as they are, and is logged.
// It also writes down when keys were used; see [KeyFile.LastUsed].
func (f KeyFile) Watch(ctx context.Context, ks *Keys, log *slog.Logger) {
	ticker := time.NewTicker(keyPoll)
	defer ticker.Stop()
	w := keyWatch{file: f, keys: ks, log: log}
	read := w.read
	ks.whenUnknown(read)
	defer ks.whenUnknown(nil)
	noted, saved := time.Now(), uses{}
	note := func(ctx context.Context) {
		if err := f.saveUses(ctx, ks, saved); err != nil {
			log.Debug("when keys were used was not written down", "err", err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyPoll)
			defer cancel()
			note(last)
			return
		case <-ticker.C:
		}
		if time.Since(noted) >= useEvery {
			noted = time.Now()
			note(ctx)
		}
		read()
	}
}

// keyWatch is the state of a Watch.
type keyWatch struct {
	file KeyFile
	keys *Keys
	log  *slog.Logger

	mu     sync.Mutex
	loaded stamp     // of the file whose keys are taken; none at first: a change since they were first read counts, too
	tried  time.Time // when the last attempt failed; zero if it did not
	told   string    // why it failed
}

// read takes over what has changed. What could not be read is tried again each
// second for as long as it takes: it may be that a key was revoked.
func (w *keyWatch) read() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.file.stamp()
	if now.same(w.loaded) || time.Since(w.tried) < keyPoll/2 { // strangers with unknown keys come at any rate
		return
	}
	keys, err := w.file.Load()
	if err == nil {
		err = w.keys.Replace(keys)
	}
	if err != nil {
		w.tried = time.Now()
		if err.Error() != w.told {
			w.log.Error("the keys stay as they were, and are tried again each second", "err", err)
		}
		w.told = err.Error()
		return
	}
	w.loaded, w.tried, w.told = now, time.Time{}, ""
	w.log.Debug("keys read", "keys", len(keys))
}

// stamp tells one state of the file from another. It is replaced, never written
// in place.
func (f KeyFile) stamp() stamp {
	info, err := os.Lstat(string(f))
	return stamp{info, err}
}

type stamp struct {
	info fs.FileInfo
	err  error
}

func (s stamp) same(t stamp) bool {
	if s.err != nil || t.err != nil {
		return s.err != nil && t.err != nil
	}
	return os.SameFile(s.info, t.info) && s.info.ModTime().Equal(t.info.ModTime()) && s.info.Size() == t.info.Size()
}
