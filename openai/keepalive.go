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

// Copy writes a Transport's answer to w, each event at once. Where a stream is
// silent for longer than that, it writes a comment, which clients overlook. It
// returns nil only if the answer is whole; after an error a server has to break
// the connection, or the client takes what it has for all.
func Copy(w http.ResponseWriter, body io.Reader, silence time.Duration) error {
	stream, ok := body.(*streamBody)
	if !ok {
		_, err := io.Copy(w, body)
		return err
	}
	lively := &livelyWriter{w: w, flush: http.NewResponseController(w).Flush, silence: silence}
	if err := lively.start(); err != nil {
		return err
	}
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
	stopped bool
}

// start sends the headers, which may have been waited for already.
func (l *livelyWriter) start() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.flush(); err != nil {
		return err
	}
	l.timer = time.AfterFunc(l.silence, l.comment)
	return nil
}

func (l *livelyWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(p)
}

func (l *livelyWriter) write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	if err == nil {
		err = l.flush()
	}
	l.timer.Reset(l.silence)
	return n, err
}

func (l *livelyWriter) comment() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.write([]byte(keepAlive)) // an error comes again with the next event
	}
}

func (l *livelyWriter) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.timer.Stop()
}
