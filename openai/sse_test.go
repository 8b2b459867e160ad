package openai

import (
	"strings"
	"testing"
)

// roomReader gives an event and the half of the next with each read, and notes the
// least room that it was given.
type roomReader struct {
	rest  string
	least int
}

func (r *roomReader) Read(p []byte) (int, error) {
	r.least = min(r.least, len(p))
	n := copy(p, r.rest[:min(len(r.rest), 450)])
	r.rest = r.rest[n:]
	return n, nil
}

// What stands in the buffer already takes no room from what comes: that would be
// read, and sent on, in more pieces than it came in.
func TestReadsHaveRoom(t *testing.T) {
	const event = 300
	src := &roomReader{strings.Repeat("data: "+strings.Repeat("x", event-8)+"\n\n", 100), firstBuffer}
	frames := frameReader{src: src}
	for range 100 {
		if _, err := frames.next(); err != nil {
			t.Fatal(err)
		}
	}
	if src.least < firstBuffer-event {
		t.Errorf("a read had room for %d bytes", src.least)
	}
}
