package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"codexauth"
	"codexauth/internal/reserved"
)

// KeyStore keeps keys in a store of logins, as a record beside them, so that every
// broker of that store takes them. It holds hashes, in the clear: who reads the store
// learns the names of keys, and can use none.
type KeyStore struct{ codexauth.Store }

func (s KeyStore) String() string {
	if named, ok := s.Store.(fmt.Stringer); ok {
		return named.String()
	}
	return "the store"
}

// Load returns the keys of the store. The error is [ErrKeyFile] or the store's.
func (s KeyStore) Load(ctx context.Context) ([]Key, error) { return loadKeys(ctx, s) }

// Change replaces the keys by what change makes of them, durably, under a claim of
// the store's. An error of change leaves them as they are.
func (s KeyStore) Change(ctx context.Context, change func([]Key) ([]Key, error)) error {
	return changeKeys(ctx, s, change)
}

// Watch keeps ks as the store says until ctx ends: a change counts within about two
// seconds, and a new key within one. A store that can't be read leaves the keys as
// they are, and is logged. It also writes down when keys were used.
func (s KeyStore) Watch(ctx context.Context, ks *Keys, log *slog.Logger) { watchKeys(ctx, s, ks, log) }

// LastUsed returns when a key was last used at any broker, as far as that was written
// down: one that runs does so within a minute. It is zero if it never was.
func (s KeyStore) LastUsed(ctx context.Context) (func(Key) time.Time, error) {
	return lastUsed(ctx, s)
}

func (d keyDoc) record() string {
	if d == docUses {
		return reserved.KeyUses
	}
	return reserved.Keys
}

func (s KeyStore) read(ctx context.Context, d keyDoc) ([]byte, error) {
	text, err := s.Store.Load(ctx, d.record())
	if errors.Is(err, codexauth.ErrNotFound) {
		return nil, nil
	}
	return text, err
}

func (s KeyStore) write(ctx context.Context, d keyDoc, change func([]byte) ([]byte, error)) error {
	claim, err := s.Store.Claim(ctx, d.record())
	if err != nil {
		return err
	}
	defer claim.Release()
	text, err := change(claim.Record())
	if err != nil || bytes.Equal(text, claim.Record()) {
		return err
	}
	if err = claim.Commit(ctx, text); err == nil {
		return nil
	}
	if now, reloadErr := claim.Reload(ctx); reloadErr == nil && bytes.Equal(now, text) {
		return nil // it had landed all the same
	}
	return err
}

func (s KeyStore) every() time.Duration { return 2 * time.Second }

func (s KeyStore) stamp() (stamp, bool) { return stamp{}, false }
