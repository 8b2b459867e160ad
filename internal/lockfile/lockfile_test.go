package lockfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

func lockPath(t testing.TB) string { return filepath.Join(t.TempDir(), "lock") }

func mustLock(t testing.TB, path string) (unlock func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	unlock, err := Lock(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unlock() })
	return unlock
}

func mustUnlock(t testing.TB, unlock func() error) {
	t.Helper()
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

// wantHeld checks that the lock is taken, and returns by whom.
func wantHeld(t testing.TB, path string) Holder {
	t.Helper()
	unlock, err := TryLock(path)
	if err == nil {
		unlock()
		t.Fatal("the lock was given out twice")
	}
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Fatalf("got %v, want a BusyError", err)
	}
	if busy.Path != path {
		t.Errorf("the BusyError names %s, want %s", busy.Path, path)
	}
	return busy.Holder
}

func TestTryLock(t *testing.T) {
	path := lockPath(t)
	unlock, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	wantHeld(t, path)
	mustUnlock(t, unlock)
	again, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, unlock) // the first holder's: it must not free the second's
	wantHeld(t, path)
	mustUnlock(t, again)
}

// A signal that comes between is no reason to give up.
func TestInterrupted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	signals := 0
	after := func(take func(*flock.Flock) (bool, error)) func(*flock.Flock) (bool, error) {
		signals = 2
		return func(lock *flock.Flock) (bool, error) {
			if signals--; signals >= 0 {
				return false, syscall.EINTR
			}
			return take(lock)
		}
	}
	unlock, err := acquire(path, after((*flock.Flock).TryLock))
	if err != nil || signals != -1 {
		t.Fatalf("%v, %d", err, signals)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if err := wait(t.Context(), path, after((*flock.Flock).TryRLock)); err != nil || signals != -1 {
		t.Errorf("waiting: %v, %d", err, signals)
	}
	if err := probe(path, after((*flock.Flock).TryRLock)); err != nil || signals != -1 {
		t.Errorf("looking: %v, %d", err, signals)
	}
}

func TestFileStays(t *testing.T) {
	path := lockPath(t)
	mustUnlock(t, mustLock(t, path))
	before, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := before.Mode(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("the lock file's mode is %v, want 0600", mode)
	}
	mustUnlock(t, mustLock(t, path))
	after, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the lock file was replaced")
	}
}

func TestHolder(t *testing.T) {
	path := lockPath(t)
	start := time.Now().Truncate(time.Second)
	mustLock(t, path)
	h := wantHeld(t, path)
	if h.PID != os.Getpid() || h.Host == "" || h.Since.Before(start) || h.Since.After(time.Now()) {
		t.Errorf("holder is %+v", h)
	}
	want := fmt.Sprintf("process %d on %s since %s", os.Getpid(), h.Host, h.Since.Format(time.RFC3339))
	if h.String() != want {
		t.Errorf("String() = %q, want %q", h, want)
	}
}

// TestHolderAfterLonger: nothing of a longer line stays behind a shorter one.
func TestHolderAfterLonger(t *testing.T) {
	path := lockPath(t)
	long := "\x001 2026-07-01T10:31:00Z " + strings.Repeat("h", 250) + "\n"
	if err := os.WriteFile(path, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	if h := ReadHolder(path); h.PID != 1 || len(h.Host) != 250 {
		t.Fatalf("ReadHolder = %+v", h)
	}
	mustLock(t, path)
	if h := ReadHolder(path); h.PID != os.Getpid() || strings.Contains(h.Host, "hhh") {
		t.Errorf("ReadHolder = %+v", h)
	}
}

func TestParseHolder(t *testing.T) {
	since := time.Date(2026, 7, 1, 10, 31, 0, 0, time.UTC)
	for text, want := range map[string]Holder{
		"4711 2026-07-01T10:31:00Z host-a\n":         {4711, "host-a", since},
		"4711 2026-07-01T10:31:00Z host-a\nand more": {4711, "host-a", since},
		"4711 2026-07-01T10:31:00Z \x1b[31mred\n":    {4711, "?[31mred", since},
		"4711 2026-07-01T10:31:00Z häst\n":           {4711, "h?st", since},
		"4711 2026-07-01T10:31:00Z host-a":           {}, // cut off
		"4711 2026-07-01T10:31:00Z\n":                {},
		"-1 2026-07-01T10:31:00Z host-a\n":           {},
		"x 2026-07-01T10:31:00Z host-a\n":            {},
		"4711 yesterday host-a\n":                    {},
		"4711 2026-07-01T10:31:00Z host a\n":         {},
		"\n":                                         {}, "": {}, "\x00\x00": {},
	} {
		if got := parseHolder(text); got != want {
			t.Errorf("parseHolder(%q) = %+v, want %+v", text, got, want)
		}
	}
	if got := (Holder{}).String(); got != "another process" {
		t.Errorf("the zero Holder is %q", got)
	}
	if got := ReadHolder(filepath.Join(t.TempDir(), "missing")); got != (Holder{}) {
		t.Errorf("the holder of a missing file is %+v", got)
	}
}

func TestLockWaits(t *testing.T) {
	path := lockPath(t)
	unlock := mustLock(t, path)
	got := make(chan error)
	go func() {
		next, err := Lock(t.Context(), path)
		if err == nil {
			err = next()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("Lock returned (%v) while the lock was held", err)
	case <-time.After(30 * time.Millisecond):
	}
	mustUnlock(t, unlock)
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestDeadline(t *testing.T) {
	path := lockPath(t)
	unlock := mustLock(t, path)
	m := NewMutex(path)
	const limit = 40 * time.Millisecond
	start := time.Now() // before the deadline is set
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := m.Lock(ctx)
	var busy *BusyError
	if !errors.As(err, &busy) || busy.Holder.PID != os.Getpid() {
		t.Errorf("got %v, want a BusyError that names this process", err)
	}
	if waited := time.Since(start); waited < limit {
		t.Errorf("gave up after %v, with a deadline of %v", waited, limit)
	}
	// ctx has expired by now: one attempt is made all the same.
	if _, err := m.Lock(ctx); !errors.As(err, &busy) {
		t.Errorf("got %v, want a BusyError", err)
	}
	mustUnlock(t, unlock)
	again, err := m.Lock(ctx)
	if err != nil {
		t.Fatalf("Lock of a free file with an expired deadline: %v", err)
	}
	mustUnlock(t, again)
}

func TestCancel(t *testing.T) {
	path := lockPath(t)
	unlock := mustLock(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(20*time.Millisecond, cancel)
	defer timer.Stop()
	var busy *BusyError
	if _, err := Lock(ctx, path); !errors.Is(err, context.Canceled) || errors.As(err, &busy) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	mustUnlock(t, unlock)
	if _, err := Lock(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("Lock with a cancelled context: %v", err)
	}
}

func TestGoroutines(t *testing.T) {
	path := lockPath(t)
	const workers, rounds = 10, 20
	var mu sync.Mutex // never contended if the lock excludes
	count := 0
	once := func() error {
		unlock, err := Lock(t.Context(), path)
		if err != nil {
			return err
		}
		defer unlock()
		if !mu.TryLock() {
			return errors.New("two goroutines hold the lock")
		}
		defer mu.Unlock()
		count++
		runtime.Gosched()
		return nil
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range rounds {
				if err := once(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if count != workers*rounds {
		t.Errorf("counted %d, want %d", count, workers*rounds)
	}
}

// TestReplaced: a lock on a file that has lost its name is no lock.
func TestReplaced(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let go of a name while the file is open")
	}
	path := lockPath(t)
	held := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE))
	if ok, err := held.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	defer held.Unlock()
	check := func(want bool) {
		t.Helper()
		if got, err := names(path, held); got != want || err != nil {
			t.Errorf("names = %t, %v, want %t", got, err, want)
		}
	}
	check(true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check(false)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(false)
	// The path's file is free, and a waiter that opens it again gets it.
	mustLock(t, path)
	wantHeld(t, path)
}

func TestCannotLock(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing", "lock")
	if _, err := TryLock(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing directory: %v", err)
	}
	if unlock, err := TryLock(dir); err == nil {
		unlock()
		t.Error("a directory was locked")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("something was created: %v, %v", entries, err)
	}
}

func BenchmarkLock(b *testing.B) {
	path := lockPath(b)
	for b.Loop() {
		unlock, err := TryLock(path)
		if err != nil {
			b.Fatal(err)
		}
		unlock()
	}
}
