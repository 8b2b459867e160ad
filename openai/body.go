package openai

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// holdHeaders is how long an answer's headers wait for its first word: so long
	// can a failure still be an HTTP status.
	holdHeaders = 15 * time.Second
	// settleFor is how long the backend's connection may take to end after the
	// answer has, to be used again.
	settleFor = 100 * time.Millisecond
)

var errBodyClosed = errors.New("read on a closed response body")

// frameWriter yields an answer in whole frames. With an error other than io.EOF it
// yields what the client is told about it. What it yields is valid until the next call.
type frameWriter interface {
	next() ([]byte, error)
}

// streamBody is the body of a streamed answer. It reads of the backend's no more
// than its reader asks for: whoever reads slowly holds up nobody else.
type streamBody struct {
	frames   frameWriter
	src      *source
	upstream io.ReadCloser
	cancel   context.CancelFunc
	report   func(err error) // how it ended; called once

	begun chan struct{} // closed when the beginning is there
	rest  []byte        // frames that nobody has yet
	err   error         // after them

	mu       sync.Mutex
	busy     bool // somebody waits for the backend
	closed   bool
	reported bool
}

// begin reads up to the first event that is work, or to the end.
func (b *streamBody) begin() {
	defer close(b.begun)
	for b.err == nil && !b.src.answer.working && b.read() {
	}
}

// read reads the next frames behind those that are there; not once it is closed.
func (b *streamBody) read() bool {
	if !b.enter() {
		return false
	}
	frames, err := b.frames.next()
	if len(b.rest) == 0 && err == nil && b.src.answer.working {
		b.rest = frames // nobody reads on before it is taken
	} else {
		b.rest = append(b.rest, frames...)
	}
	if b.err = err; err == io.EOF {
		if b.src.frames.waits != nil {
			b.src.frames.waits()
		}
		settle(b.upstream, b.cancel)
	}
	b.leave()
	return true
}

func (b *streamBody) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy = !b.closed
	return b.busy
}

func (b *streamBody) leave() {
	b.mu.Lock()
	b.busy = false
	closed := b.closed
	b.mu.Unlock()
	if closed {
		b.tellEnd()
	}
}

// tellEnd reports how the answer ended, unless somebody still reads.
func (b *streamBody) tellEnd() {
	b.mu.Lock()
	due := !b.busy && !b.reported
	b.reported = b.reported || due
	var err error // once it is closed: whatever the result, nobody waited for that
	if due && !b.closed {
		err = b.err
	}
	b.mu.Unlock()
	if due {
		b.report(err)
	}
}

// more returns the frames that come next.
func (b *streamBody) more() ([]byte, error) {
	<-b.begun
	if len(b.rest) == 0 && b.err == nil && !b.read() {
		return nil, errBodyClosed
	}
	if len(b.rest) > 0 {
		return b.rest, nil
	}
	b.tellEnd()
	return nil, b.err
}

// Read reads the answer. Its error is io.EOF only if the answer is whole.
func (b *streamBody) Read(p []byte) (int, error) {
	frames, err := b.more()
	if err != nil {
		return 0, err
	}
	n := copy(p, frames)
	b.rest = frames[n:]
	return n, nil
}

// WriteTo writes whole frames, so that w may write something of its own between
// two of them. A w that buffers is told, by Wait, when it is time to flush.
func (b *streamBody) WriteTo(w io.Writer) (written int64, err error) {
	<-b.begun
	if buffered, ok := w.(interface{ Wait() }); ok {
		b.src.frames.waits = buffered.Wait
		defer buffered.Wait()
	}
	for {
		frames, err := b.more()
		if err == io.EOF {
			return written, nil
		} else if err != nil {
			return written, err
		}
		n, err := w.Write(frames)
		written += int64(n)
		if err != nil {
			return written, err
		}
		b.rest = nil
	}
}

// Close ends the answer, and the backend's work on it.
func (b *streamBody) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.upstream.Close()
	b.tellEnd()
	return nil
}

// settle ends with a body whose answer has ended. Mostly nothing follows, and then
// its connection can serve again.
func settle(body io.ReadCloser, cancel context.CancelFunc) {
	late := time.AfterFunc(settleFor, cancel)
	io.Copy(io.Discard, io.LimitReader(body, 64<<10))
	late.Stop()
	body.Close()
	cancel()
}
