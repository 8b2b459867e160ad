package manual

import (
	"strings"
	"unicode/utf8"
)

// Wrap fills the paragraphs of text to width. A line that begins with a space is
// laid out already: it stays a line, and where it is too long, what does not fit
// goes below its last column.
func Wrap(text string, width int) string {
	var out, paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			out = append(out, fill(strings.Join(paragraph, " "), 0, width))
			paragraph = nil
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
			flush()
			out = append(out, "")
		case line[0] == ' ':
			flush()
			out = append(out, fill(line, hang(line), width))
		default:
			paragraph = append(paragraph, line)
		}
	}
	flush()
	return strings.Join(out, "\n")
}

// fill breaks a line into lines of at most width characters; all but the first are
// indented. A word that is longer stands alone.
func fill(line string, indented, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	// What stands before the text of the last column keeps its spaces.
	head := line[:min(indented, len(line))]
	words := strings.Fields(line[len(head):])
	var b strings.Builder
	b.WriteString(head)
	column := utf8.RuneCountInString(head)
	for i, word := range words {
		size := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+size > width:
			b.WriteString("\n" + strings.Repeat(" ", indented))
			column = indented
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += size
	}
	return b.String()
}

// hang is where the last column of a line begins: behind two spaces or more.
func hang(line string) int {
	text := len(line) - len(strings.TrimLeft(line, " "))
	if gap := strings.LastIndex(strings.TrimRight(line, " "), "  "); gap+2 > text {
		return gap + 2
	}
	return text
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}
