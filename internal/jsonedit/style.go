package jsonedit

import (
	"bytes"
	"encoding/json"
	"strings"
)

// A style is how a text is laid out: new values follow it.
type style struct{ unit, end string }

func styleOf(text string) style {
	s := style{unit: "  ", end: lineEnd(text)}
	for line := range strings.SplitSeq(text, "\n") {
		if blank := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; blank != "" && strings.TrimSpace(line) != "" {
			s.unit = blank
			break
		}
	}
	return s
}

func lineEnd(text string) string {
	if strings.Contains(text, "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// indentAt is the indentation of the line on which a byte stands.
func (s style) indentAt(text string, at int) string {
	line := text[strings.LastIndexByte(text[:at], '\n')+1:]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

func (s style) format(value any, indent string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(indent, s.unit)
	if err := e.Encode(value); err != nil {
		return "", err
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\n", s.end), nil
}

// add puts a member behind the others of an object.
func (s style) add(text string, in *node, key string, value any) (string, error) {
	outer := s.indentAt(text, in.start)
	inner := outer + s.unit
	inside := text[in.start+1 : in.end-1]
	broken := strings.Contains(inside, "\n") || len(in.members) == 0
	switch {
	case !broken:
		inner = outer
	case len(in.members) > 0:
		inner = s.indentAt(text, in.members[0].keyAt)
	}
	name, err := s.format(key, "")
	if err != nil {
		return "", err
	}
	raw, err := s.format(value, inner)
	if err != nil {
		return "", err
	}
	// Behind the last comment, which may go to its line's end.
	begin := in.start + 1 + len(strings.TrimRight(inside, " \t\r\n"))
	tail := text[begin:]
	lead, close := " ", tail
	if broken {
		lead = s.end + inner
		if strings.TrimRight(inside, " \t\r\n") == "" || !strings.Contains(tail[:in.end-begin], "\n") {
			close = s.end + outer + text[in.end-1:]
		}
	}
	added := lead + name + ": " + raw
	if n := len(in.members); n > 0 {
		last := in.members[n-1]
		if last.comma >= 0 {
			return text[:begin] + added + "," + close, nil // as the others have it
		}
		return text[:last.value.end] + "," + text[last.value.end:begin] + added + close, nil
	}
	return text[:begin] + added + close, nil
}
