package cleantext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// JSON returns the JSON text s, which means the same, with everything escaped
// that a terminal obeys or does not show: what JSON lets pass of the control
// characters, bidirectional and zero-width ones, and whatever has no look of its
// own. All of that can stand in the strings of s only, except white space.
func JSON(s string) string {
	if !strings.ContainsFunc(s, unseen) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !unseen(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func unseen(r rune) bool {
	switch {
	case r < 0x7f: // JSON itself escapes what matters of these
		return false
	case r == 0x34f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x2800, r == 0x3164, r == 0xffa0,
		r >= 0x180b && r <= 0x180f, r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef:
		return true // letters, marks and symbols by name, and nothing to see
	}
	return !unicode.IsPrint(r)
}
