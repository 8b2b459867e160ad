package manual

import (
	"strings"
	"unicode/utf8"
)

// Wrap fills the paragraphs of text to width. A line that begins with a space is
// laid out already: it stays a line, with those that continue its last column, and
// where it is too long, what does not fit goes below that column.
func Wrap(text string, width int) string {
	var out, paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			out = append(out, fill(strings.Join(paragraph, " "), hang(paragraph[0]), width))
			paragraph = nil
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
			flush()
			out = append(out, "")
		case line[0] == ' ' && len(paragraph) > 0 && continues(line, paragraph[0]):
			paragraph = append(paragraph, strings.TrimLeft(line, " "))
		case line[0] == ' ':
			flush()
			paragraph = append(paragraph, line)
		default:
			if len(paragraph) > 0 && paragraph[0][0] == ' ' {
				flush()
			}
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

// continues reports whether line goes on with the last column of first, which has
// others before it.
func continues(line, first string) bool {
	return hang(first) > indentation(first) && indentation(line) == hang(first) && hang(line) == hang(first)
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// hang is where the last column of a line begins: behind two spaces or more, or at
// the margin of a text.
func hang(line string) int {
	text := indentation(line)
	if text == 0 {
		return 0
	}
	if gap := strings.LastIndex(strings.TrimRight(line, " "), "  "); gap+2 > text {
		return gap + 2
	}
	return text
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}
