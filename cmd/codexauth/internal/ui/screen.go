package ui

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A Screen is a terminal that shows one picture after another in the same place.
// What stood there before is back when it is closed.
type Screen struct {
	t      *Terminal
	before *term.State // of the keyboard
	keys   chan byte
	width  int
	height int
}

// HasScreen reports whether somebody looks at a terminal that can show pictures, and
// may press keys there.
func (t *Terminal) HasScreen() bool {
	return !dumb() && IsTerminal(t.Stdout) && paints(t.Stdout) && IsTerminal(t.Stdin) && inForeground(t.Stdin)
}

// What the terminal is told (ECMA-48, and xterm's own modes): the other screen and
// no cursor; from the upper left corner on; the rest of the line, and of the screen,
// is empty; as it was.
const (
	screenBegin = "\x1b[?1049h\x1b[?25l"
	screenHome  = "\x1b[H"
	lineRest    = "\x1b[K"
	screenRest  = "\x1b[J"
	screenEnd   = "\x1b[?25h\x1b[?1049l"
)

// OpenScreen turns the terminal into a Screen. Keys then come one by one, Ctrl-C
// among them.
func (t *Terminal) OpenScreen() (*Screen, error) {
	before, err := term.MakeRaw(int(t.Stdin.Fd()))
	if err != nil {
		return nil, err
	}
	s := &Screen{t: t, before: before, keys: make(chan byte)}
	go func() { // a read of a terminal can't be ended
		for b := make([]byte, 1); ; {
			if _, err := t.Stdin.Read(b); err != nil {
				close(s.keys)
				return
			}
			s.keys <- b[0]
		}
	}()
	if _, err := io.WriteString(t.Stdout, screenBegin); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close gives the terminal back.
func (s *Screen) Close() {
	_, _ = io.WriteString(s.t.Stdout, screenEnd) // one that is gone needs nothing
	_ = term.Restore(int(s.t.Stdin.Fd()), s.before)
}

// Keys are what is typed. It is closed when the terminal is gone.
func (s *Screen) Keys() <-chan byte { return s.keys }

// Width is how many columns there are now.
func (s *Screen) Width() int {
	s.measure()
	return s.width
}

func (s *Screen) measure() {
	width, height, err := term.GetSize(int(s.t.Stdout.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	s.width, s.height = width, height
}

// Draw shows lines, in one write and over what was there, so that nothing flickers.
// What does not fit is cut off, and the last line says so.
func (s *Screen) Draw(lines []string) error {
	s.measure()
	if len(lines) > s.height {
		lines = append(lines[:s.height-1:s.height-1], "… more lines do not fit")
	}
	var b strings.Builder
	b.WriteString(screenHome)
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(Clip(line, s.width) + lineRest)
	}
	b.WriteString(screenRest)
	_, err := io.WriteString(s.t.Stdout, b.String())
	return err
}

// Clip cuts a line after so many columns. Colours take up none.
func Clip(line string, columns int) string {
	used := 0
	for i := 0; i < len(line); {
		if n := escapeLen(line[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(line[i:])
		if used += runeWidth(r); used > columns {
			cut := line[:i]
			if strings.Contains(cut, "\x1b[") {
				cut += "\x1b[0m"
			}
			return cut
		}
		i += n
	}
	return line
}

// escapeLen is the length of the colour that text begins with, or 0.
func escapeLen(text string) int {
	if !strings.HasPrefix(text, "\x1b[") {
		return 0
	}
	return strings.IndexByte(text, 'm') + 1
}

// Columns is how many columns a line takes up.
func Columns(line string) (n int) {
	for i := 0; i < len(line); {
		if n := escapeLen(line[i:]); n > 0 {
			i += n
			continue
		}
		r, size := utf8.DecodeRuneInString(line[i:])
		n += runeWidth(r)
		i += size
	}
	return n
}

// runeWidth is how many columns a character has at most (East Asian wide ones have
// two, and so may pictures).
func runeWidth(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f000:
		return 2
	}
	return 1
}
