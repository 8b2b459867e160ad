package resident

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type slowWriter struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	gate   chan struct{} // nil: open
}

func (w *slowWriter) Write(p []byte) (int, error) {
	if w.gate != nil {
		<-w.gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	return w.text.Write(p)
}

// Every line is written, whole and in order, at once or a moment later; the last
// ones when the log is closed.
func TestLogWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &slowWriter{}
		w := NewLogWriter(to)
		fmt.Fprintln(w, "first")
		synctest.Wait()
		if to.text.String() != "first\n" {
			t.Errorf("%q", to.text.String())
		}
		for i := range 1000 {
			fmt.Fprintln(w, i)
		}
		time.Sleep(logEvery)
		synctest.Wait()
		if to.writes != 2 || strings.Count(to.text.String(), "\n") != 1001 {
			t.Errorf("%d writes", to.writes)
		}
		fmt.Fprintln(w, "last")
		w.Close()
		fmt.Fprintln(w, "late")
		if !strings.HasSuffix(to.text.String(), "999\nlast\nlate\n") {
			t.Errorf("%q", to.text.String()[len(to.text.String())-40:])
		}
	})
}

// A log that nobody reads holds up who logs, and grows no further.
func TestLogWriterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &slowWriter{gate: make(chan struct{})}
		w := NewLogWriter(to)
		line := bytes.Repeat([]byte("x"), 1<<10)
		done := make(chan bool, 1)
		go func() {
			for range 4 << 10 {
				w.Write(line)
			}
			done <- true
		}()
		synctest.Wait()
		w.mu.Lock()
		if n := len(w.lines); n > maxUnwritten+len(line) {
			t.Errorf("%d bytes are kept", n)
		}
		w.mu.Unlock()
		close(to.gate)
		<-done
		w.Close()
		if to.text.Len() != 4<<20 {
			t.Errorf("%d bytes were written", to.text.Len())
		}
	})
}
