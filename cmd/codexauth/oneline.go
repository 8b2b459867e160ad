package main

import (
	"strings"
	"unicode"
)

// oneLine drops what would break a line or command a terminal.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
}
