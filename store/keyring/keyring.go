package keyring

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/frame"
	"codexauth/seal"
	"codexauth/store/file"
)

// Options refine Open.
type Options struct {
	// Timeout bounds each step that needs no person. 0 means 10 seconds.
	Timeout time.Duration
	// Prompt is how long a person has to unlock the keyring, or to allow its use,
	// when the desktop asks them. 0 means 10 seconds; negative means that nobody
	// is asked.
	Prompt time.Duration
	// Prompting, if not nil, is called when the desktop is made to ask for the
	// keyring's password.
	Prompting func()
	// Stop, if not nil, ends the waiting when it is closed, such as the Done of a
	// program's context.
	Stop <-chan struct{}

	passive bool // start no program
}

func (o Options) timeout() time.Duration {
	if o.Timeout <= 0 {
		return defaultWait
	}
	return o.Timeout
}

func (o Options) prompt() time.Duration {
	if o.Prompt == 0 {
		return defaultWait
	}
	return o.Prompt
}

// Store is a [codexauth.Store] of sealed records in a directory, with the key in
// the system's keyring. It is of use only together with its [Store.Sealer].
type Store struct {
	files *file.Store
	key   *key
	seal  *seal.Sealer
}

var _ codexauth.Store = (*Store)(nil)

// Open returns the store in dir; "" means [DefaultDir]. It asks no keyring yet,
// and makes no directory. Each directory has a key of its own, and is no file
// store's at the same time. The errors are those of file.Open.
func Open(dir string, o Options) (*Store, error) {
	return open(dir, o, newSystem(o))
}

func open(dir string, o Options, r ring) (_ *Store, err error) {
	if dir == "" {
		if dir, err = DefaultDir(); err != nil {
			return nil, err
		}
	}
	files, err := file.Open(dir)
	if err != nil {
		return nil, err
	}
	dir = strings.TrimPrefix(files.String(), "file:") // absolute
	s := &Store{files: files, key: &key{dir: dir, files: files, ring: r, o: o}}
	s.seal = seal.Fetched("the keyring for "+dir, s.key.fetch)
	return s, nil
}

// DefaultDir returns the directory keyring in that of the usual file store.
func DefaultDir() (string, error) {
	dir, err := file.DefaultDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "keyring"), nil
}

// String returns "keyring:" and the directory.
func (s *Store) String() string { return "keyring:" + s.key.dir }

// Dir returns the directory, an absolute path.
func (s *Store) Dir() string { return s.key.dir }

// Sealer returns the Sealer with the key that the keyring has for this store. Its
// errors wrap this package's, or [codexauth.ErrWrongKey] for a record that was
// sealed with another key.
func (s *Store) Sealer() *seal.Sealer { return s.seal }

// Load returns the record of key, sealed as it is. It asks no keyring.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	return s.files.Load(ctx, key)
}

// List returns the keys that have a record, sorted.
func (s *Store) List(ctx context.Context) ([]string, error) { return s.files.List(ctx) }

// Claim waits for the exclusive right to change key, which is a file lock.
func (s *Store) Claim(ctx context.Context, key string) (codexauth.Claim, error) {
	c, err := s.files.Claim(ctx, key)
	if err != nil {
		return nil, err
	}
	return claim{c}, nil
}

// Probe reports whether a Claim of key would have to wait, and changes nothing:
// see file.Store.
func (s *Store) Probe(key string) error { return s.files.Probe(key) }

// OneMachine is true, as of the file store that this one is made of.
func (s *Store) OneMachine() bool { return true }

// claim is a file store's, but for plain records.
type claim struct{ codexauth.Claim }

// Reserve sets aside what a Commit needs, as a file store does.
func (c claim) Reserve(ctx context.Context, size int) error {
	return c.Claim.(codexauth.Reserver).Reserve(ctx, size)
}

// Commit refuses a plain record: whoever writes one forgot the Sealer.
func (c claim) Commit(ctx context.Context, record []byte) error {
	if bytes.HasPrefix(record, []byte("codexauth-record ")) && !frame.Sealed(record) {
		return fmt.Errorf("commit: %w: a keyring store takes what its Sealer sealed and nothing else (is Config.Sealer missing?)", codexauth.ErrNotSealed)
	}
	return c.Claim.Commit(ctx, record)
}
