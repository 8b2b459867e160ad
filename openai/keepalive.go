package openai

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// KeepAliveAfter is how long a stream may be silent before those between might cut
// it. There are clients that give up after some hundred lines without data, so it
// is not to be much less.
const KeepAliveAfter = 15 * time.Second

const keepAlive = ": keep-alive\n\n"

// Copy writes a Transport's answer to w, each event before it waits for the next:
// what the backend sent in one piece goes on in one. Where a stream is silent for longer than that, it writes a comment, which clients overlook. It
// returns nil only if the answer is whole; after an error a server has to break
// the connection, or the client takes what it has for all.
func Copy(w http.ResponseWriter, body io.Reader, silence time.Duration) error {
	stream, ok := body.(*streamBody)
	if !ok {
		_, err := io.Copy(w, body)
		return err
	}
	lively := &livelyWriter{w: w, flush: http.NewResponseController(w).Flush, silence: silence}
	select {
	case <-stream.begun: // the headers go with the first frame
	default:
		if err := lively.flush(); err != nil {
			return err
		}
	}
	lively.start()
	defer lively.stop()
	_, err := stream.WriteTo(lively)
	return err
}

// livelyWriter writes a comment when nothing else was written for a while. A timer
// costs nothing while it waits; a goroutine would, in each silent stream.
type livelyWriter struct {
	mu      sync.Mutex
	w       io.Writer
	flush   func() error
	timer   *time.Timer
	silence time.Duration
	unsent  bool // something was written since the last flush
	stopped bool
}

func (l *livelyWriter) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(l.silence, l.comment)
}

func (l *livelyWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.w.Write(p)
	l.unsent = err == nil
	return n, err
}

// Wait sends what was written: the next write may be long in coming. An error comes
// again with that.
func (l *livelyWriter) Wait() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unsent {
		l.send()
	}
}

func (l *livelyWriter) send() {
	l.unsent = false
	_ = l.flush()
	l.timer.Reset(l.silence)
}

func (l *livelyWriter) comment() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return
	}
	if _, err := io.WriteString(l.w, keepAlive); err == nil {
		l.send()
	}
}

func (l *livelyWriter) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.timer.Stop()
}
