package ui

import "strings"

// Pad fills text up to so many columns, Clip cut it there.
func Pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-Columns(text), 0))
}

// PadLeft is Pad for numbers.
func PadLeft(text string, columns int) string {
	return strings.Repeat(" ", max(columns-Columns(text), 0)) + text
}

// Apart is a line with one text at its left end and another at its right.
func Apart(left, right string, columns int) string {
	left = Clip(left, max(columns-Columns(right)-1, 0))
	return Pad(left, columns-Columns(right)) + right
}

// Wrap breaks text into lines of so many columns. The first begins with first, the
// others with blanks up to hang. A word that is longer stays whole.
func Wrap(text, first string, hang, columns int) []string {
	var lines []string
	line, empty := first, true
	for word := range strings.SplitSeq(text, " ") {
		if !empty && Columns(line)+1+Columns(word) > columns {
			lines = append(lines, line)
			line, empty = strings.Repeat(" ", hang), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	return append(lines, line)
}
