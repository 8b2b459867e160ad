package keyring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	keyrings "github.com/zalando/go-keyring"

	"codexauth"
	"codexauth/seal"
	"codexauth/store/memory"
)

// fakeRing is a keyring in memory.
type fakeRing struct {
	mu    sync.Mutex
	items map[string]codexauth.Secret
	calls int
	err   error
	takes time.Duration
	// late, if not nil, holds a set back; the caller gives it up.
	late chan func()
}

func newFakeRing() *fakeRing { return &fakeRing{items: map[string]codexauth.Secret{}} }

func (r *fakeRing) get(ctx context.Context, account string) (codexauth.Secret, error) {
	if err := r.call(ctx); err != nil {
		return codexauth.Secret{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.items[account]; ok {
		return s, nil
	}
	return codexauth.Secret{}, ErrMissing
}

func (r *fakeRing) set(ctx context.Context, account string, secret codexauth.Secret) error {
	if err := r.call(ctx); err != nil {
		return err
	}
	put := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.items[account] = secret
	}
	if r.late != nil {
		r.late <- put
		return refuse(ErrTimeout, "no answer came in time")
	}
	put()
	return nil
}

func (r *fakeRing) call(ctx context.Context) error {
	r.mu.Lock()
	r.calls++
	err := r.err
	r.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.takes):
		return err
	}
}

func openFake(t *testing.T, dir string, r *fakeRing, o Options) *Store {
	t.Helper()
	s, err := open(dir, o, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func manage(t *testing.T, s codexauth.Store, sealer codexauth.Sealer, key string) *codexauth.Manager {
	t.Helper()
	m, err := codexauth.NewManager(codexauth.Config{Store: s, Sealer: sealer, Key: key, Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func imported(t *testing.T, s *Store, key string) error {
	t.Helper()
	_, err := manage(t, s, s.Sealer(), key).Import(t.Context(), someLogin(key), codexauth.SignInOptions{})
	return err
}

func wantToken(t *testing.T, s *Store, key string) {
	t.Helper()
	if _, err := manage(t, s, s.Sealer(), key).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// recordOf is what a Manager with that Sealer stores.
func recordOf(t *testing.T, sealer codexauth.Sealer, key string) []byte {
	t.Helper()
	store := memory.New()
	if _, err := manage(t, store, sealer, key).Import(t.Context(), someLogin(key), codexauth.SignInOptions{}); err != nil {
		t.Fatal(err)
	}
	record, err := store.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func TestNames(t *testing.T) {
	t.Setenv("CODEXAUTH_HOME", filepath.Join(t.TempDir(), "home"))
	s := openFake(t, "", newFakeRing(), Options{})
	if want := "keyring:" + filepath.Join(os.Getenv("CODEXAUTH_HOME"), "keyring"); s.String() != want || s.Dir() != want[len("keyring:"):] {
		t.Errorf("%s at %s, want %s", s, s.Dir(), want)
	}
	deep := strings.Repeat("d\nir\xff/", 100)
	for _, dir := range []string{"/home/ada/.local/state/codexauth/keyring", "/" + deep, "/tmp/\x1b[31m"} {
		name := (&key{dir: dir}).itemName(hashOf("x"))
		if n := utf8.RuneCountInString(name); n > 250 || !utf8.ValidString(name) || strings.ContainsAny(name, "\n\x1b") {
			t.Errorf("the item's name for %q is %q", dir, name)
		}
	}
}

// The key is asked for once in the life of a store, and only when it is needed.
func TestKeyIsFetchedOnce(t *testing.T) {
	r := newFakeRing()
	dir := filepath.Join(t.TempDir(), "store")
	s := openFake(t, dir, r, Options{})
	if _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := manage(t, s, s.Sealer(), "work").Token(t.Context()); !errors.Is(err, codexauth.ErrSignedOut) || r.calls != 0 {
		t.Errorf("%v after %d calls, want ErrSignedOut and none", err, r.calls)
	}
	if err := imported(t, s, "work"); err != nil {
		t.Fatal(err)
	}
	made := r.calls
	wantToken(t, s, "work")
	again := openFake(t, dir, r, Options{})
	for range 3 {
		wantToken(t, again, "work")
	}
	if r.calls != made+1 || len(r.items) != 1 {
		t.Errorf("%d calls for a second store and %d items, want 1 and 1", r.calls-made, len(r.items))
	}
	if state, err := manage(t, again, again.Sealer(), "work").Status(t.Context()); err != nil || !state.Sealed {
		t.Errorf("status %v, %v, want sealed", state, err)
	}
}

// A call that was given up and finishes late must not take the place of a
// key with which something was sealed since.
func TestLateSetOverwritesNothing(t *testing.T) {
	r := newFakeRing()
	dir := filepath.Join(t.TempDir(), "store")
	r.late = make(chan func(), 1)
	if err := imported(t, openFake(t, dir, r, Options{}), "work"); !errors.Is(err, ErrTimeout) {
		t.Fatal(err)
	}
	late := <-r.late
	r.late = nil
	if err := imported(t, openFake(t, dir, r, Options{}), "work"); err != nil {
		t.Fatal(err)
	}
	late()
	wantToken(t, openFake(t, dir, r, Options{}), "work")
}

// A hundred goroutines that need the key while the keyring hangs wait for it once
// and not one after the other; afterwards it is asked again.
func TestFailureIsSharedForAWhile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	synctest.Test(t, func(t *testing.T) {
		r := newFakeRing()
		r.err, r.takes = refuse(ErrTimeout, "no answer came in time"), 10*time.Second
		s := openFake(t, dir, r, Options{})
		// The directory has a key already, so that nothing is made.
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.key.writePointer(pointer{1, "x", "y"}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 100 { // the Sealer lets one after the other ask for the key
			if _, err := s.Sealer().Open([]byte("x")); !errors.Is(err, ErrTimeout) {
				t.Error(err)
			}
		}
		if took := time.Since(start); r.calls != 1 || took != 10*time.Second {
			t.Errorf("%d calls and %v, want one and 10s", r.calls, took)
		}
		time.Sleep(10 * time.Second)
		if _, err := s.Sealer().Open([]byte("x")); r.calls != 2 {
			t.Errorf("%v after %d calls: it was not asked again", err, r.calls)
		}
	})
}

// Stop ends the waiting at once, and is not remembered as a failure.
func TestStop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	synctest.Test(t, func(t *testing.T) {
		r := newFakeRing()
		r.takes = time.Hour
		stop := make(chan struct{})
		s := openFake(t, dir, r, Options{Stop: stop})
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.key.writePointer(pointer{1, "x", "y"}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { close(stop) })
		start := time.Now()
		_, err := s.Sealer().Open([]byte("x"))
		if !errors.Is(err, context.Canceled) || time.Since(start) != time.Minute || s.key.failed != nil {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// An item that holds something else, or a pointer that can't be read.
func TestOddItems(t *testing.T) {
	r := newFakeRing()
	dir := filepath.Join(t.TempDir(), "store")
	if err := imported(t, openFake(t, dir, r, Options{}), "work"); err != nil {
		t.Fatal(err)
	}
	other, _, err := seal.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, held := range []codexauth.Secret{other, codexauth.NewSecret("hunter2"), {}} {
		for account := range r.items {
			r.items[account] = held
		}
		s := openFake(t, dir, r, Options{})
		_, err := manage(t, s, s.Sealer(), "work").Token(t.Context())
		if !errors.Is(err, ErrMissing) || strings.Contains(fmt.Sprintf("%+v", err), "hunter2") {
			t.Errorf("error %v", err)
		}
		if err := imported(t, s, "other"); !errors.Is(err, ErrMissing) {
			t.Errorf("error %v", err)
		}
	}
	for text, want := range map[string]error{
		"":             codexauth.ErrDamaged,
		"{}":           codexauth.ErrDamaged,
		`{"version":1`: codexauth.ErrDamaged,
		`{"version":2,"account":"a","recipient_sha256":"b"}`: codexauth.ErrNewerVersion,
	} {
		if err := os.WriteFile(filepath.Join(dir, pointerFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := openFake(t, dir, r, Options{})
		if _, err := manage(t, s, s.Sealer(), "work").Token(t.Context()); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// Whoever forgets the Sealer stores nothing.
func TestPlainRecordsAreNotTaken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openFake(t, dir, newFakeRing(), Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c, err := s.Claim(ctx, "work")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	plain := recordOf(t, nil, "work")
	if err := c.Commit(ctx, plain); !errors.Is(err, codexauth.ErrNotSealed) {
		t.Errorf("a plain record: %v", err)
	}
	if _, err := s.Load(ctx, "work"); !errors.Is(err, codexauth.ErrNotFound) {
		t.Errorf("it was stored: %v", err)
	}
}

// What the other systems answer. (Their keyrings are not on this machine.)
func TestKindsOfOtherSystems(t *testing.T) {
	for code, want := range map[int]error{36: ErrLocked, 37: ErrUnavailable, 44: ErrMissing, 50: ErrUnavailable, 51: ErrDenied, 128: ErrDenied, 1: nil} {
		if got := kindOfExit(code); got != want {
			t.Errorf("exit %d is %v, want %v", code, got, want)
		}
	}
	for n, want := range map[uintptr]error{1312: ErrUnavailable, 5: ErrDenied, 1223: ErrDenied, 1168: ErrMissing, 87: nil} {
		if got := kindOfErrno(n); got != want {
			t.Errorf("error %d is %v, want %v", n, got, want)
		}
	}
	if err := explain(keyrings.ErrUnsupportedPlatform); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if err := explain(keyrings.ErrNotFound); !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
	if err := explain(errors.New("a\x1b[31mb AGE-SECRET-KEY-PQ-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ")); strings.Contains(err.Error(), "QQQQ") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}
