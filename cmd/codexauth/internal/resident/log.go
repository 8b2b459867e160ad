package resident

import (
	"io"
	"sync"
	"time"
)

// maxUnwritten is how many bytes of a log wait for a reader that is slow, before
// whoever logs waits too.
const maxUnwritten = 1 << 20

// logEvery is the least time between two writes to a log.
const logEvery = 20 * time.Millisecond

// A LogWriter passes what is logged on from a goroutine of its own: at once, or
// with what else comes within a moment of the last time. So a request does not
// wait for its line to be written. A process that is killed takes the lines of
// that moment with it.
type LogWriter struct {
	to    io.Writer
	ended chan struct{}
	stop  chan struct{}

	mu     sync.Mutex
	more   *sync.Cond
	less   *sync.Cond
	lines  []byte
	closed bool
}

// NewLogWriter logs to to. The caller closes it.
func NewLogWriter(to io.Writer) *LogWriter {
	w := &LogWriter{to: to, ended: make(chan struct{}), stop: make(chan struct{})}
	w.more, w.less = sync.NewCond(&w.mu), sync.NewCond(&w.mu)
	go w.pump()
	return w
}

func (w *LogWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.lines) > maxUnwritten && !w.closed {
		w.less.Wait()
	}
	if w.closed {
		return w.to.Write(p)
	}
	if w.lines = append(w.lines, p...); len(w.lines) == len(p) {
		w.more.Signal()
	}
	return len(p), nil
}

func (w *LogWriter) pump() {
	defer close(w.ended)
	pause := time.NewTimer(logEvery)
	defer pause.Stop()
	var spare []byte
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.lines) == 0 && !w.closed {
			w.more.Wait()
		}
		if len(w.lines) == 0 {
			return
		}
		lines := w.lines
		w.lines = spare[:0]
		w.less.Broadcast()
		w.mu.Unlock()
		_, _ = w.to.Write(lines) // a log that can't be written can't be complained about
		spare = lines
		pause.Reset(logEvery)
		select {
		case <-pause.C:
		case <-w.stop:
		}
		w.mu.Lock()
	}
}

// Close returns when everything is written. What is logged later is written at once.
func (w *LogWriter) Close() error {
	w.mu.Lock()
	w.closed = true
	w.more.Signal()
	w.less.Broadcast()
	w.mu.Unlock()
	close(w.stop)
	<-w.ended
	return nil
}
