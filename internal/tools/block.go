package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrYAML: a file that is written in a way in which nothing can be added to its list
// of models without risk.
var ErrYAML = errors.New("its list of models is written in a way that can't be edited safely")

// errCut: of the lines that were added, some are missing.
var errCut = errors.New("the end of the block that codexauth wrote is missing; take the lines out by hand")

// block puts items first into a list at the top of a YAML file, between two comments.
type block struct {
	list  string                   // its name
	items func(dash string) string // each line behind the indentation of the list
	fresh string                   // what stands before the list in a new file
}

const (
	blockBegin = "# >>> codexauth setup (taken back by: codexauth setup continue --undo)"
	blockEnd   = "# <<< codexauth setup"
)

// madeList is the note that there was no such list.
var madeList = json.RawMessage(`"list"`)

func (b block) SetUp(text string) (string, json.RawMessage, error) {
	if strings.TrimSpace(text) == "" {
		return text + b.fresh + b.list + ":\n" + b.lines("  ", "\n"), madeList, nil
	}
	lines := strings.SplitAfter(text, "\n")
	at, err := b.find(lines)
	if err != nil {
		return "", nil, err
	}
	end := "\n"
	if strings.Contains(text, "\r\n") {
		end = "\r\n"
	}
	if at < 0 { // there is no such list
		if !strings.HasSuffix(text, "\n") {
			text += end
		}
		return text + b.list + ":" + end + b.lines("  ", end), madeList, nil
	}
	indent, err := listIndent(lines[at+1:])
	if err != nil {
		return "", nil, err
	}
	before, after := strings.Join(lines[:at+1], ""), strings.Join(lines[at+1:], "")
	if !strings.HasSuffix(before, "\n") {
		before += end
	}
	return before + b.lines(indent, end) + after, nil, nil
}

// find is the line that begins the list: -1 if there is none. Only a plain file is
// edited: one document, a mapping with its names in the first column.
func (b block) find(lines []string) (int, error) {
	at := -1
	for i, line := range lines {
		line = strings.TrimRight(strings.TrimPrefix(line, "\ufeff"), " \t\r\n")
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "- ") && at >= 0 {
			continue
		}
		name, rest, ok := strings.Cut(line, ":")
		switch {
		case line == "---" && firstContent(lines[:i]):
		case !ok || name != strings.Trim(name, " \t\"'{[%&*!|>?-@`") || strings.ContainsAny(name, " \t\"'#"):
			return 0, fmt.Errorf("%w (line %d)", ErrYAML, i+1)
		case name == b.list:
			rest = strings.TrimSpace(rest)
			if at >= 0 || rest != "" && !strings.HasPrefix(rest, "#") {
				return 0, fmt.Errorf("%w (line %d)", ErrYAML, i+1)
			}
			at = i
		}
	}
	return at, nil
}

// firstContent reports whether lines say nothing.
func firstContent(lines []string) bool {
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// listIndent is the indentation of the items that follow; two blanks if none does.
func listIndent(lines []string) (string, error) {
	for _, line := range lines {
		rest := strings.TrimLeft(line, " ")
		switch {
		case strings.TrimSpace(rest) == "" || strings.HasPrefix(rest, "#"):
			continue
		case strings.HasPrefix(rest, "- ") || strings.TrimRight(rest, "\r\n") == "-":
			return line[:len(line)-len(rest)], nil
		case rest == line && !strings.HasPrefix(line, "\t"): // the next name: an empty list
			return "  ", nil
		}
		return "", ErrYAML
	}
	return "  ", nil
}

func (b block) lines(indent, end string) string {
	var out strings.Builder
	for line := range strings.Lines(blockBegin + "\n" + b.items("- ") + blockEnd + "\n") {
		out.WriteString(indent + strings.TrimSuffix(line, "\n") + end)
	}
	return out.String()
}

func (b block) TakeOut(text string, notes json.RawMessage) (string, error) {
	var out strings.Builder
	inside := false
	for line := range strings.SplitAfterSeq(text, "\n") {
		switch content := strings.TrimSpace(line); {
		case content == blockBegin:
			inside = true
		case inside && content == blockEnd:
			inside = false
		case !inside:
			out.WriteString(line)
		}
	}
	if inside {
		return "", errCut
	}
	if bytes.Equal(notes, madeList) {
		return b.withoutEmpty(out.String()), nil
	}
	return out.String(), nil
}

// withoutEmpty is text without the name of the list if nothing is in that: for a list
// with no items its program may refuse the file.
func (b block) withoutEmpty(text string) string {
	lines := strings.SplitAfter(text, "\n")
	at, err := b.find(lines)
	if err != nil || at < 0 || strings.TrimSpace(lines[at]) != b.list+":" {
		return text
	}
	for _, line := range lines[at+1:] {
		if content := strings.TrimSpace(line); content == "" || strings.HasPrefix(content, "#") {
			continue
		}
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			return text
		}
		break
	}
	return strings.Join(slices.Delete(lines, at, at+1), "")
}
