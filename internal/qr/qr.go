// Package qr draws a text as a QR code on a terminal.
package qr

import (
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"
)

// Margins around a code, in modules.
const (
	quiet  = 4 // what ISO/IEC 18004 wants
	narrow = 2 // what readers still take; for a terminal that has no more
)

// Options say what the terminal can do. The zero Options are for one without
// colours, of any width.
type Options struct {
	// Color allows escape sequences: the code is then black on white, whatever
	// the terminal's own colours. Without them its light parts are drawn in the
	// text's colour, which is right on a dark terminal; on a light one the code
	// is inverted, which most readers take, but not all.
	Color bool
	// Width is how many columns there are; 0 is enough.
	Width int
}

// WidthError says that a code does not fit. A code whose lines were wrapped
// could not be read.
type WidthError struct {
	Need, Have int // columns
}

func (e *WidthError) Error() string {
	return fmt.Sprintf("the QR code is %d columns wide, and the terminal has %d", e.Need, e.Have)
}

// Write draws text in half blocks: a character is two modules, one above the
// other. The error is a [*WidthError], w's, or that text is too long for any QR
// code (2,953 bytes); w then got nothing, unless the error is its own.
func Write(w io.Writer, text string, o Options) error {
	code, err := qr.Encode(text, qr.L) // a screen does not wear: the least redundancy, the smallest code
	if err != nil {
		return fmt.Errorf("a QR code can't hold %d bytes", len(text))
	}
	margin := quiet
	if o.Width > 0 && code.Size+2*quiet > o.Width {
		margin = narrow
	}
	if columns := code.Size + 2*margin; o.Width > 0 && columns > o.Width {
		return &WidthError{Need: columns, Have: o.Width}
	}
	_, err = io.WriteString(w, draw(code, margin, o.Color))
	return err
}

func draw(code *qr.Code, margin int, color bool) string {
	end := code.Size + margin
	var b strings.Builder
	for y := -margin; y < end; y += 2 {
		if color {
			// Of the 256-colour palette, the two that themes leave alone.
			b.WriteString("\x1b[38;5;231;48;5;16m")
		}
		for x := -margin; x < end; x++ {
			// Below the last row there is nothing to draw if the height is odd.
			below := !code.Black(x, y+1) && y+1 < end
			b.WriteRune(halfBlock(!code.Black(x, y), below))
		}
		if color {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// halfBlock is a character whose upper and lower half are lit or not.
func halfBlock(upper, lower bool) rune {
	switch {
	case upper && lower:
		return '█'
	case upper:
		return '▀'
	case lower:
		return '▄'
	}
	return ' '
}
