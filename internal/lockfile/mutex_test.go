package lockfile

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// abandon waits for the lock of m until a deadline that comes at once.
func abandon(t *testing.T, m *Mutex) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var busy *BusyError
	if _, err := m.Lock(ctx); !errors.As(err, &busy) {
		t.Fatalf("error %v", err)
	}
}

func TestAbandonedWaitsAreOne(t *testing.T) {
	m := NewMutex(filepath.Join(t.TempDir(), "lock"))
	unlock, err := TryLock(m.path)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		abandon(t, m)
	}
	waiting := func() chan grant {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.queue
	}
	queue := waiting()
	if queue == nil {
		t.Fatal("nothing waits any more")
	}
	abandon(t, m)
	if waiting() != queue {
		t.Error("a second wait began")
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	// What nobody wants is given back, and then anybody can have it.
	unlock, err = Lock(t.Context(), m.path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestNextCallerJoinsAnAbandonedWait(t *testing.T) {
	m := NewMutex(filepath.Join(t.TempDir(), "lock"))
	held, err := TryLock(m.path)
	if err != nil {
		t.Fatal(err)
	}
	abandon(t, m)
	got := make(chan error, 1)
	go func() {
		unlock, err := m.Lock(t.Context())
		if err == nil {
			err = unlock()
		}
		got <- err
	}()
	if err := held(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

// TestMutexExcludes: many goroutines, some of which give up, and never two inside.
func TestMutexExcludes(t *testing.T) {
	m := NewMutex(filepath.Join(t.TempDir(), "lock"))
	var inside, got atomic.Int32 // the detector of races does not know file locks
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if i%4 == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
			}
			defer cancel()
			unlock, err := m.Lock(ctx)
			var busy *BusyError
			if i%4 == 0 && errors.As(err, &busy) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			if n := inside.Add(1); n != 1 {
				t.Errorf("%d are inside", n)
			}
			got.Add(1)
			inside.Add(-1)
			unlock()
		})
	}
	wg.Wait()
	if n := got.Load(); n < 30 {
		t.Errorf("%d of at least 30 had the lock", n)
	}
	unlock, err := m.Lock(t.Context()) // nothing of those who gave up holds it
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
