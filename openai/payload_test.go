package openai

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A body's length is a hint and no promise: it is read to its end, and its limit and
// its error hold.
func TestReadAll(t *testing.T) {
	text := strings.Repeat("x", 5000)
	for _, length := range []int64{-1, 0, 1, 4999, 5000, 5001, trusted, trusted + 1, 1 << 40} {
		body, err := readAll(iotest.HalfReader(strings.NewReader(text)), length, 5000)
		if string(body) != text || err != nil {
			t.Errorf("said to be %d: %d bytes, %v", length, len(body), err)
		}
		if _, err := readAll(strings.NewReader(text), length, 4999); !errors.Is(err, errTooMuch) {
			t.Errorf("said to be %d, more than the limit: %v", length, err)
		}
		torn := io.MultiReader(strings.NewReader("x"), iotest.ErrReader(io.ErrUnexpectedEOF))
		if body, err := readAll(torn, length, 5000); string(body) != "x" || err != io.ErrUnexpectedEOF {
			t.Errorf("said to be %d, torn: %q %v", length, body, err)
		}
	}
}
