package lockfile

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestWaitEndsForAllAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var busy *BusyError
	if err := Wait(short, path); !errors.As(err, &busy) || busy.Holder.PID == 0 {
		t.Errorf("error %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Wait(cancelled, path); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := Wait(t.Context(), path); err != nil {
				t.Error(err)
			}
		})
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if err := Wait(t.Context(), path); err != nil {
		t.Errorf("nobody holds it: %v", err)
	}
	unlock, err = Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
