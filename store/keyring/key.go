package keyring

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/cleantext"
	"codexauth/internal/frame"
	"codexauth/internal/lockfile"
	"codexauth/internal/private"
	"codexauth/internal/sharing"
	"codexauth/internal/sysfail"
	"codexauth/seal"
	"codexauth/store/file"
)

// The files beside the records.
const (
	pointerFile = "identity"      // which item of the keyring has the key
	lockFile    = "identity-lock" // held while a key is made
)

const (
	maxPointer = 4096
	// maxDirInName is how much of the directory stands in an item's name: Windows
	// takes 513 characters in all, and the name is for people only.
	maxDirInName = 200
)

// key is the key of one directory. Each key that is ever made has an item of its
// own in the keyring, under a name that no other has: a call to the keyring that
// was given up may still finish later, and must overwrite nothing.
type key struct {
	dir   string
	files *file.Store
	ring  ring
	o     Options

	// A failure that was waited for counts for as long again, or a hundred
	// goroutines would wait for it one after the other. The Sealer calls fetch
	// from one goroutine at a time.
	failed error
	until  time.Time
}

// pointer is the content of the pointer file.
type pointer struct {
	Version int    `json:"version"`
	Account string `json:"account"`          // the item's name
	SHA256  string `json:"recipient_sha256"` // of the key's public half
}

// fetch returns the key. If sealing, one is made where there is none and nothing
// that was sealed would be lost.
func (k *key) fetch(sealing bool) (codexauth.Secret, error) {
	start := time.Now()
	if k.failed != nil && start.Before(k.until) {
		return codexauth.Secret{}, k.failed
	}
	ctx, cancel := k.o.context()
	defer cancel()
	identity, err := k.find(ctx)
	if sealing && (sysfail.Missing(err) || isMissing(err)) {
		identity, err = k.make(ctx)
	}
	if sysfail.Missing(err) {
		err = k.foreign("what is there")
	}
	if !errors.Is(err, context.Canceled) {
		k.failed, k.until = err, time.Now().Add(time.Since(start))
	}
	if err != nil {
		return codexauth.Secret{}, err
	}
	return identity, nil
}

// foreign is the error for records of a directory that the keyring has no key for.
func (k *key) foreign(what string) error {
	return fmt.Errorf("%w: no key in the keyring belongs to %s, and %s was sealed with another one (read it with --store file:%s --identity-file FILE), or the file %q was removed there",
		codexauth.ErrWrongKey, k.dir, what, k.dir, pointerFile)
}

func isMissing(err error) bool { return errors.Is(err, ErrMissing) }

// context ends when nobody waits any more.
func (o Options) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	if o.Stop == nil {
		return ctx, cancel
	}
	go func() {
		select {
		case <-o.Stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// find returns the key that the pointer file names. The error is fs.ErrNotExist
// if there is no such file, and ErrMissing if the keyring has no such item.
func (k *key) find(ctx context.Context) (codexauth.Secret, error) {
	p, err := k.readPointer()
	if err != nil {
		return codexauth.Secret{}, err
	}
	identity, err := k.ring.get(ctx, p.Account)
	if isMissing(err) {
		return codexauth.Secret{}, fmt.Errorf("%w: it has no item %q of the service %q (it was deleted, or this is another keyring); bring the item back, or remove what it sealed with `codexauth --store keyring:%s profile rm NAME` and sign in again",
			ErrMissing, cleantext.Line(p.Account), service, k.dir)
	}
	if err != nil {
		return codexauth.Secret{}, err
	}
	if fingerprint(identity) != p.SHA256 {
		return codexauth.Secret{}, fmt.Errorf("%w: its item %q holds something else; bring the right one back, or remove that item and what it sealed, and sign in again",
			ErrMissing, cleantext.Line(p.Account))
	}
	return identity, nil
}

// fingerprint is the hash of the key's public half; "" if it is no key.
func fingerprint(identity codexauth.Secret) string {
	id, err := age.ParseHybridIdentity(identity.Reveal())
	if err != nil {
		return ""
	}
	return hashOf(id.Recipient().String())
}

func hashOf(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return hex.EncodeToString(sum[:])
}

func (k *key) readPointer() (p pointer, err error) {
	path := filepath.Join(k.dir, pointerFile)
	check := func(info fs.FileInfo) error {
		if err := private.CheckFile(path, info); err != nil {
			return fmt.Errorf("%w: %w", codexauth.ErrStoreUnsafe, err)
		}
		return nil
	}
	var data []byte
	err = sharing.LookAgain(filepath.Join(k.dir, lockFile), func() (err error) {
		data, err = atomicfile.Read(path, maxPointer, check)
		return err
	})
	if err != nil {
		return p, err
	}
	if json.Unmarshal(data, &p) != nil || p.Account == "" || p.SHA256 == "" {
		return p, fmt.Errorf("%w: %s does not say which item of the keyring has the key", codexauth.ErrDamaged, path)
	}
	if p.Version != 1 {
		return p, fmt.Errorf("%w (%s has version %d)", codexauth.ErrNewerVersion, path, p.Version)
	}
	return p, nil
}

// make makes a key, unless somebody else has meanwhile or a record would be lost
// by it. The key is durable, in the keyring and by its pointer, before anything
// is sealed with it.
func (k *key) make(ctx context.Context) (codexauth.Secret, error) {
	unlock, err := k.lock(ctx)
	if err != nil {
		return codexauth.Secret{}, err
	}
	defer unlock()
	identity, err := k.find(ctx)
	if err == nil || !sysfail.Missing(err) && !isMissing(err) {
		return identity, err
	}
	if sealed, listErr := k.sealed(ctx); listErr != nil {
		return codexauth.Secret{}, listErr
	} else if len(sealed) > 0 && isMissing(err) {
		return codexauth.Secret{}, fmt.Errorf("%w (sealed with it: %s)", err, names(sealed))
	} else if len(sealed) > 0 {
		return codexauth.Secret{}, k.foreign(names(sealed))
	}
	identity, recipient, err := seal.New()
	if err != nil {
		return codexauth.Secret{}, err
	}
	p := pointer{Version: 1, SHA256: hashOf(recipient)}
	p.Account = k.itemName(p.SHA256)
	if err := k.ring.set(ctx, p.Account, identity); err != nil {
		return codexauth.Secret{}, err
	}
	kept, err := k.ring.get(ctx, p.Account) // before anything depends on it
	if err == nil && !kept.Equal(identity) {
		err = refuse(ErrDenied, "it was given a key and returned another")
	}
	if err != nil {
		return codexauth.Secret{}, fmt.Errorf("making a key: %w", err)
	}
	return identity, k.writePointer(p)
}

// lock keeps all others from making a key for the directory.
func (k *key) lock(ctx context.Context) (unlock func() error, err error) {
	if err := private.MkdirAll(k.dir); err != nil {
		return nil, err
	}
	// Whoever has the lock makes four steps at most.
	ctx, cancel := context.WithTimeout(ctx, 4*(k.o.timeout()+max(k.o.prompt(), 0)))
	defer cancel()
	unlock, err = lockfile.Lock(ctx, filepath.Join(k.dir, lockFile))
	var busy *lockfile.BusyError
	if errors.As(err, &busy) {
		return nil, fmt.Errorf("making a key: %w: held by %s", codexauth.ErrBusy, busy.Holder)
	}
	return unlock, err
}

// sealed lists the profiles that have a sealed record.
func (k *key) sealed(ctx context.Context) (profiles []string, err error) {
	all, err := k.files.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, profile := range all {
		record, err := k.files.Load(ctx, profile)
		if errors.Is(err, codexauth.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		if frame.Sealed(record) {
			profiles = append(profiles, profile)
		}
	}
	return profiles, nil
}

func names(profiles []string) string {
	const most = 3
	text := make([]string, 0, most)
	for _, profile := range profiles[:min(most, len(profiles))] {
		text = append(text, fmt.Sprintf("%q", cleantext.Line(profile)))
	}
	if more := len(profiles) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(text, ", "), more)
	}
	return strings.Join(text, ", ")
}

// itemName is what a person sees in their password manager, and unique.
func (k *key) itemName(hash string) string {
	dir := strings.ToValidUTF8(cleantext.Line(k.dir), "?")
	if r := []rune(dir); len(r) > maxDirInName {
		dir = "…" + string(r[len(r)-maxDirInName:])
	}
	return dir + " #" + hash[:16]
}

func (k *key) writePointer(p pointer) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(k.dir, pointerFile), append(data, '\n'), atomicfile.Options{}); err != nil {
		return fmt.Errorf("the keyring has a new key, but its name could not be kept: %w", err)
	}
	return nil
}
