package broker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrKeyName: a key's name is missing, taken, or not one that can be shown.
var ErrKeyName = errors.New("unusable key name")

// Key is a client's key as the broker knows it: by its hash, never by its text.
type Key struct {
	Name    string    // for the audit log and for revoking; 1 to 64 of a-z A-Z 0-9 . _ -
	SHA256  [32]byte  // of the key's text
	Lease   bool      // may have access tokens (POST /token), not only use the proxy
	Expires time.Time // ends requests that are under way, too; zero means never
}

// NewKey makes a key. The text goes to the client and can't be had again. Its
// 128 bits of chance are why a plain hash of it is enough.
func NewKey(name string) (text string, k Key, err error) {
	if !validName(name) {
		return "", Key{}, fmt.Errorf("%w: use 1 to 64 letters, digits, dots, dashes and underscores", ErrKeyName)
	}
	text = keyMark + rand.Text()
	return text, Key{Name: name, SHA256: sha256.Sum256([]byte(text))}, nil
}

func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= 64
}

// Keys are the keys that a Server takes. The zero value takes none. It may be
// used and changed by any number of goroutines.
type Keys struct {
	mu   sync.RWMutex
	list []*heldKey
}

// heldKey is a key that is taken until valid ends.
type heldKey struct {
	Key
	valid  context.Context
	revoke context.CancelFunc
}

// Add takes k from now on. The error is [ErrKeyName].
func (ks *Keys) Add(k Key) error {
	if !validName(k.Name) {
		return fmt.Errorf("%w: %q", ErrKeyName, k.Name)
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if slices.ContainsFunc(ks.list, func(h *heldKey) bool { return h.Name == k.Name }) {
		return fmt.Errorf("%w: there is a key named %s already", ErrKeyName, k.Name)
	}
	ks.list = append(ks.list, hold(k))
	return nil
}

// Revoke takes the key of this name no longer, cancels the requests that it has
// under way, and reports whether there was one.
func (ks *Keys) Revoke(name string) bool {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	for i, h := range ks.list {
		if h.Name == name {
			h.revoke()
			ks.list = slices.Delete(ks.list, i, i+1)
			return true
		}
	}
	return false
}

// Replace makes list the keys that are taken. A key that is in it unchanged keeps
// what it has under way; the others are as if revoked. The error is [ErrKeyName],
// and then nothing has changed.
func (ks *Keys) Replace(list []Key) error {
	if err := checkNames(list); err != nil {
		return err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	var next []*heldKey
	for _, k := range list {
		i := slices.IndexFunc(ks.list, func(h *heldKey) bool { return h.same(k) })
		if i >= 0 {
			next = append(next, ks.list[i])
			continue
		}
		next = append(next, hold(k))
	}
	for _, h := range ks.list {
		if !slices.Contains(next, h) {
			h.revoke()
		}
	}
	ks.list = next
	return nil
}

func (k Key) same(other Key) bool {
	return k.Name == other.Name && k.SHA256 == other.SHA256 && k.Lease == other.Lease && k.Expires.Equal(other.Expires)
}

func hold(k Key) *heldKey {
	h := &heldKey{Key: k}
	h.valid, h.revoke = context.WithCancel(context.Background())
	return h
}

// checkNames wants every name to be fit and to stand once.
func checkNames(list []Key) error {
	seen := map[string]bool{}
	for _, k := range list {
		if !validName(k.Name) || seen[k.Name] {
			return fmt.Errorf("%w: %q is no name, or there are two of it", ErrKeyName, k.Name)
		}
		seen[k.Name] = true
	}
	return nil
}

// find returns the key of this text, or nil. How long it takes does not depend
// on how much of a hash is right, nor on which key it is.
func (ks *Keys) find(text string, now time.Time) *heldKey {
	sum := sha256.Sum256([]byte(text))
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	var found *heldKey
	for _, h := range ks.list {
		if subtle.ConstantTimeCompare(sum[:], h.SHA256[:]) == 1 {
			found = h
		}
	}
	if found == nil || !found.Expires.IsZero() && !now.Before(found.Expires) {
		return nil
	}
	return found
}
