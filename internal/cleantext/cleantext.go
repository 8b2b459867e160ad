// Package cleantext makes text that came from elsewhere (a server's error
// description, a claim, a user code) fit to be shown on a terminal.
package cleantext

import (
	"bytes"
	"strings"
	"unicode"
)

const (
	maxLen    = 300 // runes kept of one text
	secretLen = 32  // a run of token characters this long may be a secret
)

// Line returns s as one line of at most 300 characters: control, bidirectional
// and other invisible format characters removed, white space folded.
func Line(s string) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = n > 0
			continue
		case !unicode.IsPrint(r): // also drops Cc, Cf (bidirectional controls, BOM), Co, Cs
			continue
		}
		if n >= maxLen {
			b.WriteString("…")
			break
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// Message is Line with every long run of token characters masked: a server may
// echo the token that it was sent.
func Message(s string) string {
	s = Line(s)
	var b strings.Builder
	for len(s) > 0 {
		n := 0
		for n < len(s) && isTokenChar(s[n]) {
			n++
		}
		switch {
		case n >= secretLen:
			b.WriteString("[redacted]")
		case n == 0:
			n = 1
			b.WriteByte(s[0])
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

func isTokenChar(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("-._~+/=", c) >= 0
}

// SkipMark returns JSON text without the byte order mark before it, and without
// blanks around that: some editors and servers write one, and a reader may skip
// it (RFC 8259 §8.1).
func SkipMark(text []byte) []byte {
	blanks := " \t\r\n"
	text = bytes.TrimLeft(text, blanks)
	return bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), blanks)
}
