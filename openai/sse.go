package openai

import (
	"bytes"
	"errors"
	"io"
)

const (
	// firstBuffer is what a stream holds while nothing comes: it lives as long as
	// the stream does.
	firstBuffer = 2 << 10
	// maxEvent is the most that one event may have: a picture comes in one.
	maxEvent = 32 << 20
	// keptBuffer is the most that is kept after an event that was large.
	keptBuffer = 16 << 10
	// maxEmptyReads ends a source that gives neither bytes nor an error.
	maxEmptyReads = 100
)

var errEventTooLarge = errors.New("an event of the backend is larger than 32 MiB")

// frameReader reads server-sent events. Its lines end at CR, LF or CRLF and
// nowhere else: what else counts as a line's end in Unicode is content here.
type frameReader struct {
	src     io.Reader
	waits   func() // told before src is read, which may take long; nil: nobody is
	buf     []byte
	from    int // where what is not read yet begins
	to      int
	err     error  // of src
	started bool   // past a byte order mark
	afterCR bool   // an LF that comes next ends no line
	joined  []byte // data of several lines
}

// frame is one event: its bytes as they came, with the blank line that ends it,
// and its data. Both are valid until the next call.
type frame struct {
	raw  []byte
	data []byte
	// asCame: the data stands in raw as it is, in one line.
	asCame bool
	// torn: the source ended before the blank line did.
	torn bool
}

// next returns the next event that has data. At the source's end it returns what
// is left over, marked torn, and then the source's error.
func (r *frameReader) next() (frame, error) {
	for {
		f, ok, err := r.block()
		if err != nil || ok {
			return f, err
		}
	}
}

// block reads up to a blank line; ok tells whether there was data in it.
func (r *frameReader) block() (f frame, ok bool, err error) {
	r.shrink()
	begin := 0 // of the line, counted from r.from
	var data span
	lines := 0
	for {
		at, next, err := r.line(begin)
		if err != nil {
			return frame{}, false, err
		}
		if next < 0 {
			return r.rest(data, lines)
		}
		line := at.in(r.buf[r.from:])
		if len(line) == 0 {
			f = frame{raw: r.buf[r.from : r.from+next]}
			f.data, f.asCame = r.data(data, lines)
			r.from += next
			return f, lines > 0, nil
		}
		if v, is := dataOf(line); is {
			if lines++; lines == 1 {
				data = span{at.to - len(v), at.to}
				r.joined = r.joined[:0]
			} else {
				if lines == 2 {
					r.joined = append(r.joined, data.in(r.buf[r.from:])...)
				}
				r.joined = append(append(r.joined, '\n'), v...)
			}
		}
		begin = next
	}
}

// data returns the data of the block at r.from.
func (r *frameReader) data(at span, lines int) ([]byte, bool) {
	if lines > 1 {
		return r.joined, false
	}
	return at.in(r.buf[r.from:r.to]), true
}

// rest is what the source ended in. Its error comes with the next call if there
// was data.
func (r *frameReader) rest(data span, lines int) (frame, bool, error) {
	f := frame{raw: r.buf[r.from:r.to], torn: true}
	f.data, _ = r.data(data, lines)
	r.from = r.to
	if lines == 0 {
		return frame{}, false, r.err
	}
	return f, true, nil
}

// line finds the line at, counted from r.from, and where the next one begins: -1
// at the source's end.
func (r *frameReader) line(at int) (line span, next int, err error) {
	searched := at
	for {
		if r.started || r.start() {
			if r.afterCR && r.from+at < r.to {
				r.afterCR = false
				if r.buf[r.from+at] == '\n' {
					at++
				}
				searched = at
			}
			have := r.buf[r.from+searched : r.to]
			if i := lineEnd(have); i >= 0 {
				end := searched + i
				next := end + 1
				if have[i] == '\r' {
					if i+1 == len(have) {
						r.afterCR = true // an LF that follows belongs to it
					} else if have[i+1] == '\n' {
						next++
					}
				}
				return span{at, end}, next, nil
			}
			searched += len(have)
		}
		if r.err != nil {
			if all := r.to - r.from; at < all { // a last line without an end
				return span{at, all}, all, nil
			}
			return span{}, -1, nil
		}
		if err := r.fill(); err != nil {
			return span{}, 0, err
		}
	}
}

// lineEnd returns where the first CR or LF is, -1 if there is none.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf < 0 {
		return bytes.IndexByte(b, '\r')
	}
	if cr := bytes.IndexByte(b[:lf], '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// start takes a byte order mark off the beginning; false while too little is there.
func (r *frameReader) start() bool {
	have := r.buf[r.from:r.to]
	if mark := []byte("\uFEFF"); bytes.HasPrefix(have, mark) {
		r.from += len(mark)
	} else if len(have) < len(mark) && bytes.HasPrefix(mark, have) && r.err == nil {
		return false
	}
	r.started = true
	return true
}

// fill reads once more from the source.
func (r *frameReader) fill() error {
	if r.from > 0 || r.to == len(r.buf) { // the more room, the more comes, and goes on, in one piece
		if err := r.grow(); err != nil {
			return err
		}
	}
	if r.waits != nil {
		r.waits()
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.to:])
		r.to += n
		if err != nil {
			r.err = err
			return nil
		}
		if n > 0 {
			return nil
		}
	}
	r.err = io.ErrNoProgress
	return nil
}

// grow makes room: by moving what is unread to the front, or by doubling.
func (r *frameReader) grow() error {
	have := r.buf[r.from:r.to]
	if len(have) > maxEvent {
		return errEventTooLarge
	}
	buf := r.buf
	if len(buf) == 0 || r.to == len(buf) && len(have) > len(buf)/2 {
		buf = make([]byte, max(2*len(buf), firstBuffer))
	}
	r.to = copy(buf, have)
	r.buf, r.from = buf, 0
	return nil
}

// shrink gives a large buffer back when little in it is left to read.
func (r *frameReader) shrink() {
	have := r.buf[r.from:r.to]
	if len(have) == 0 {
		r.from, r.to = 0, 0
	}
	if len(r.buf) > keptBuffer && len(have) <= firstBuffer {
		small := make([]byte, 2*firstBuffer)
		r.from, r.to = 0, copy(small, have)
		r.buf = small
	}
	if cap(r.joined) > keptBuffer {
		r.joined = nil
	}
}

// dataOf returns the value of a line of data.
func dataOf(line []byte) ([]byte, bool) {
	v, ok := bytes.CutPrefix(line, []byte("data"))
	if !ok {
		return nil, false
	}
	if len(v) == 0 {
		return v, true
	}
	if v[0] != ':' {
		return nil, false
	}
	v = v[1:]
	if len(v) > 0 && v[0] == ' ' {
		v = v[1:]
	}
	return v, true
}
