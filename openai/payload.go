package openai

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

var errTooMuch = errors.New("too large")

// trusted is how long a body is taken to be because it says so. More than that has
// to be there before it gets room.
const trusted = 64 << 10

// readAll reads a body up to a limit. Its length is what it says of itself, -1 if
// it says nothing.
func readAll(r io.Reader, length, limit int64) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	r = io.LimitReader(r, limit+1)
	var (
		body []byte
		err  error
	)
	if 0 < length && length <= trusted {
		room := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead)) // ReadFrom wants that much to see the end
		_, err = room.ReadFrom(r)
		body = room.Bytes()
	} else {
		body, err = io.ReadAll(r)
	}
	if err == nil && int64(len(body)) > limit {
		err = errTooMuch
	}
	return body, err
}

// payload is a request's body, which may be sent again until it is dropped. Whoever
// holds the request for as long as the answer lasts does not hold the bytes.
type payload struct {
	mu   sync.Mutex
	data []byte
	size int
}

func (p *payload) drop() {
	p.mu.Lock()
	p.data = nil
	p.mu.Unlock()
}

func (p *payload) reader() io.ReadCloser { return &payloadReader{payload: p, size: p.size} }

type payloadReader struct {
	*payload
	size, at int
}

func (r *payloadReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == r.size {
		return 0, io.EOF // whoever sends it looks once more, and may do so after the answer
	}
	if r.data == nil {
		return 0, io.ErrClosedPipe // it was dropped in mid-sending: the answer is there
	}
	n := copy(b, r.data[r.at:])
	r.at += n
	return n, nil
}

func (r *payloadReader) Close() error { return nil }
