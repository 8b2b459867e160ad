package broker

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errNoReplay   = errors.New("the body is too long to be sent again")
	errSuperseded = errors.New("the body is being sent again")
)

// clientBody is a request's body whose sender must not stall. A time-out over a
// whole request would cut streams, so each read has its own.
type clientBody struct {
	io.ReadCloser
	call  *call
	timer *time.Timer

	mu   sync.Mutex
	over bool
}

func (b *clientBody) Read(p []byte) (int, error) {
	patience := b.call.server.cfg.Patience
	if b.timer == nil {
		b.timer = time.AfterFunc(patience, b.stalled)
	} else {
		b.timer.Reset(patience)
	}
	defer b.timer.Stop()
	n, err := b.ReadCloser.Read(p)
	b.call.received(n)
	if err != nil && err != io.EOF {
		err = &bodyError{err}
	}
	return n, err
}

// bodyError is a body that can't be read to its end: the client's fault, not the
// backend's.
type bodyError struct{ error }

func (e *bodyError) Unwrap() error { return e.error }

// stalled makes Read return.
func (b *clientBody) stalled() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.over {
		b.call.stalled()
	}
}

// end is for when the handler is over: the connection may belong to the next
// request, whatever a reader that outlives the handler does.
func (b *clientBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// replay is a body that can be sent a second time as long as what was read of it
// fits into a limit. It is streamed meanwhile, not read ahead. Once its source
// has ended it is not read again: net/http closes it as soon as an answer begins,
// and would cut an answer whose request it finds broken off.
type replay struct {
	reading sync.Mutex // held over a read of src, which may take as long as the client likes
	src     io.Reader
	limit   int
	all     *budget

	mu      sync.Mutex // never held over a read
	kept    []byte     // all that was read, or nothing once dropped
	dropped bool
	total   int   // bytes read so far
	err     error // the source's last word
	turn    int   // which reader may read
}

// budget is how many bytes all bodies may have kept together.
type budget struct {
	used  atomic.Int64
	limit int64
}

func (b *budget) take(n int) bool {
	if b.used.Add(int64(n)) > b.limit {
		b.used.Add(-int64(n))
		return false
	}
	return true
}

func newReplay(src io.Reader, limit int, all *budget) *replay {
	return &replay{src: src, limit: limit, all: all}
}

// again returns a reader that begins again and ends the one before. It fits
// http.Request.GetBody.
func (r *replay) again() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped {
		return nil, errNoReplay
	}
	r.turn++
	return &replayReader{replay: r, turn: r.turn}, nil
}

// drop gives the memory back: the body won't be needed again.
func (r *replay) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropLocked()
}

func (r *replay) dropLocked() {
	r.all.used.Add(-int64(len(r.kept)))
	r.kept, r.dropped = nil, true
}

type replayReader struct {
	*replay
	turn, at int
}

func (r *replayReader) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if n, err, done := r.recall(p); done {
		return n, err
	}
	n, err := r.src.Read(p)
	return r.keep(p[:n], err)
}

// recall reads what was read before, if the reader is not beyond it.
func (r *replayReader) recall(p []byte) (n int, err error, done bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.turn != r.replay.turn:
		return 0, errSuperseded, true
	case r.at < len(r.kept):
		n = copy(p, r.kept[r.at:])
		r.at += n
		return n, nil, true
	case r.at < r.total:
		return 0, errNoReplay, true
	}
	return 0, r.err, r.err != nil
}

// keep notes what came from the source, also for the reader that comes after
// this one.
func (r *replayReader) keep(p []byte, err error) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.total += len(p)
	switch {
	case r.dropped:
	case r.total > r.limit || !r.all.take(len(p)):
		r.dropLocked()
	default:
		r.kept = append(r.kept, p...)
	}
	if r.turn != r.replay.turn {
		return 0, errSuperseded
	}
	r.at += len(p)
	return len(p), err
}

// Close closes nothing: the source is the server's, and may be read again.
func (r *replayReader) Close() error { return nil }
