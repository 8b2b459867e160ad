package cleantext

import (
	"strings"
	"unicode"
)

// OneLine drops what would break a line or command a terminal.
func OneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
}
