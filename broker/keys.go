package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrKeyName: a key's name is missing, taken, or can't be shown.
	ErrKeyName = errors.New("invalid key name")
	// ErrKeyPath: nothing can be requested under a path of a key.
	ErrKeyPath = errors.New("unusable path")

	errRevoked = errors.New("the key was revoked")
	errExpired = errors.New("the key has expired")
)

// Key is a client's key as the broker knows it: by its hash, never by its text.
type Key struct {
	Name    string    // for the audit log and for revoking; 1 to 64 of a-z A-Z 0-9 . _ -
	SHA256  [32]byte  // of the key's text
	Lease   bool      // may have access tokens (POST /token), not only use the proxy
	Metrics bool      // may read the metrics
	Status  bool      // may ask how the login is doing; who may lease can anyway
	Login   string    // the name of the login that the key is for; "" is the Server's first
	Expires time.Time // ends requests that are under way, too; zero means never
	// Paths are those that the key reaches; one that ends in a slash is all that is
	// below. Empty means every path. POST /token goes by Lease alone.
	Paths   []string
	Rate    Rate // of its requests
	Streams int  // how many requests may be under way at once; 0 means no limit
	// Before is the hash of the text that the key had before it was rotated, which is
	// good until BeforeEnds. Zero means that there is none.
	Before     [32]byte
	BeforeEnds time.Time
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
	mu      sync.RWMutex
	list    []*heldKey
	unknown func()      // looks for keys that were added elsewhere; may be nil
	unread  atomic.Bool // nobody has been able to read them yet
}

// Pending says that the keys are yet to be read: until Replace has some, whoever shows
// one is asked to come again, and not told that it is unknown.
func (ks *Keys) Pending() { ks.unread.Store(true) }

// whenUnknown sets what is called before a key is taken for an unknown one.
func (ks *Keys) whenUnknown(look func()) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.unknown = look
}

// heldKey is a text of a key that is taken until it ends. A key that was rotated has
// two for a while, which share everything but their calls.
type heldKey struct {
	Key
	who string // for the audit log
	// memory names the key where its answers are remembered. A key that is made again
	// under an old name gets another one.
	memory string
	stats  *stats
	meter  *meter
	used   atomic.Int64 // when it was last used, in Unix seconds; 0 is never
	ends   atomic.Int64 // in Unix nanoseconds; 0 is never

	mu     sync.Mutex
	ended  error // why it is no longer taken
	expiry *time.Timer
	calls  map[*call]struct{} // under way
}

// hold takes a text. It shares counters, limits and memory with another of its key's.
func hold(k Key, like *heldKey, s *stats) *heldKey {
	k.Paths = slices.Clone(k.Paths)
	h := &heldKey{Key: k, who: "key " + k.Name, calls: map[*call]struct{}{}}
	if like != nil {
		h.stats, h.meter, h.memory = like.stats, like.meter, like.memory
	} else {
		h.stats, h.meter, h.memory = s, newMeter(k.Rate), h.who+"#"+strconv.FormatInt(keysHeld.Add(1), 10)
	}
	h.endAt(k.Expires)
	return h
}

// endAt makes the text end then, with what it has under way; zero means never. It
// reports false if the text has ended already.
func (h *heldKey) endAt(at time.Time) bool {
	h.mu.Lock() // it may be over at once
	defer h.mu.Unlock()
	if h.ended != nil {
		return false
	}
	if h.expiry != nil {
		h.expiry.Stop()
		h.expiry = nil
	}
	h.ends.Store(0)
	if !at.IsZero() {
		h.ends.Store(at.UnixNano())
		h.expiry = time.AfterFunc(time.Until(at), h.expire)
	}
	return true
}

// expire ends the text unless its end was put off meanwhile.
func (h *heldKey) expire() {
	if h.over(time.Now()) {
		h.revoke(errExpired)
	}
}

// over reports whether the text's time has come.
func (h *heldKey) over(now time.Time) bool {
	ends := h.ends.Load()
	return ends != 0 && now.UnixNano() >= ends
}

// expires is when the text ends. Its Key says what was said of that at first.
func (h *heldKey) expires() time.Time {
	if ends := h.ends.Load(); ends != 0 {
		return time.Unix(0, ends)
	}
	return time.Time{}
}

// keysHeld counts all keys that were ever held here.
var keysHeld atomic.Int64

// begin binds a call to the key, if the key has room for it.
func (h *heldKey) begin(c *call) *refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended != nil {
		return refuse(http.StatusUnauthorized, "unauthorized", h.ended.Error())
	}
	if open := h.stats.open.Load() - 1; h.Streams > 0 && open >= int64(h.Streams) { // this call is counted already
		return tooMany("too_many_streams", fmt.Sprintf("the key has %d requests under way, which is its limit", open), time.Second)
	}
	if wait := h.meter.take(); wait > 0 {
		return tooMany("rate_limit_exceeded", "the key may be used "+h.Rate.String(), wait)
	}
	h.calls[c] = struct{}{}
	h.used.Store(c.begun.Unix())
	return nil
}

func tooMany(code, message string, retry time.Duration) *refusal {
	return &refusal{status: http.StatusTooManyRequests, code: code, message: message, retry: retry}
}

func (h *heldKey) finish(c *call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.calls, c)
}

// revoke ends the key, and what it has under way.
func (h *heldKey) revoke(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended == nil {
		h.ended = why
	}
	if h.expiry != nil {
		h.expiry.Stop()
	}
	for c := range h.calls {
		c.end(why)
	}
}

// reaches reports whether the key may ask for a path.
func (h *heldKey) reaches(path string) bool {
	return len(h.Paths) == 0 || slices.ContainsFunc(h.Paths, func(p string) bool {
		return p == path || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p)
	})
}

// Add takes k from now on. The error is [ErrKeyName], [ErrKeyPath] or [ErrRate].
func (ks *Keys) Add(k Key) error {
	if err := k.check(); err != nil {
		return err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if slices.ContainsFunc(ks.list, func(h *heldKey) bool { return h.Name == k.Name }) {
		return fmt.Errorf("%w: there is a key named %s already", ErrKeyName, k.Name)
	}
	ks.list = ks.next(append(ks.present(), k))
	return nil
}

// Revoke takes the key of this name no longer, cancels the requests that it has
// under way, and reports whether there was one.
func (ks *Keys) Revoke(name string) bool {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	before := len(ks.list)
	ks.list = slices.DeleteFunc(ks.list, func(h *heldKey) bool {
		if h.Name == name {
			h.revoke(errRevoked)
		}
		return h.Name == name
	})
	return len(ks.list) < before
}

// Replace makes list the keys that are taken. A key that is in it unchanged, but for
// when it ends, keeps what it has under way; the others are as if revoked. The error is that of Add,
// and then nothing has changed.
func (ks *Keys) Replace(list []Key) error {
	if err := checkKeys(list); err != nil {
		return err
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.list = ks.next(list)
	ks.unread.Store(false)
	return nil
}

func (k Key) check() error {
	if !validName(k.Name) {
		return fmt.Errorf("%w: %q", ErrKeyName, k.Name)
	}
	for _, p := range k.Paths {
		if !strings.HasPrefix(p, "/") || len(p) > maxPath || !plainPath(p) {
			return fmt.Errorf("%w: %q; write one such as /v1/responses, or one that ends in a slash for all below it", ErrKeyPath, p)
		}
	}
	if (k.Before == [32]byte{}) != k.BeforeEnds.IsZero() {
		return fmt.Errorf("%w: %s: the replaced text of a key must have an end", ErrKeyName, k.Name)
	}
	if k.Streams < 0 {
		return fmt.Errorf("%w: %d streams", ErrRate, k.Streams)
	}
	return k.Rate.check()
}

// checkKeys wants every key to be fit and every name to stand once.
func checkKeys(list []Key) error {
	seen := map[string]bool{}
	for _, k := range list {
		if err := k.check(); err != nil {
			return err
		}
		if seen[k.Name] {
			return fmt.Errorf("%w: there are two keys named %s", ErrKeyName, k.Name)
		}
		seen[k.Name] = true
	}
	return nil
}

// held are the keys that are taken now.
func (ks *Keys) held() []*heldKey {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	return slices.Clone(ks.list)
}

// find returns the key of this text, or nil.
func (ks *Keys) find(text string, now time.Time) *heldKey {
	found, look := ks.have(text, now)
	if found != nil || look == nil {
		return found
	}
	look()
	found, _ = ks.have(text, now)
	return found
}

// have is find without a look elsewhere. How long it takes does not depend on how
// much of a hash is right, nor on which key it is.
func (ks *Keys) have(text string, now time.Time) (held *heldKey, look func()) {
	sum := sha256.Sum256([]byte(text))
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	var found *heldKey
	for _, h := range ks.list {
		if subtle.ConstantTimeCompare(sum[:], h.SHA256[:]) == 1 {
			found = h
		}
	}
	if found == nil || found.over(now) {
		return nil, ks.unknown
	}
	return found, nil
}
