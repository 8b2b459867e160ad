package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// maxNesting is how deep a value from the backend may nest.
const maxNesting = 1000

// span is where a value stands in the bytes that hold it.
type span struct{ from, to int }

func (s span) in(b []byte) []byte { return b[s.from:s.to] }
func (s span) empty() bool        { return s.to == 0 }

// members walks the members of a JSON object without allocating, and checks the
// whole of it on the way: an event is read once and most of it passed on as it is.
type members struct {
	data  []byte
	at    int
	begun bool
	ended bool // the object is whole and nothing follows it
}

// next returns the next member's name, as it stands between its quotes, and where
// its value stands. It returns false at the end: look at ended then.
func (m *members) next() (name []byte, value span, ok bool) {
	b := m.data
	i := skipSpace(b, m.at)
	if !m.begun {
		if i >= len(b) || b[i] != '{' {
			return nil, span{}, false
		}
		m.begun = true
		if i = skipSpace(b, i+1); i < len(b) && b[i] == '}' {
			m.close(i)
			return nil, span{}, false
		}
	} else {
		if i >= len(b) || b[i] != ',' {
			if i < len(b) && b[i] == '}' {
				m.close(i)
			}
			return nil, span{}, false
		}
		i = skipSpace(b, i+1)
	}
	end := skipString(b, i)
	if end < 0 {
		return nil, span{}, false
	}
	name = b[i+1 : end-1]
	if i = skipSpace(b, end); i >= len(b) || b[i] != ':' {
		return nil, span{}, false
	}
	i = skipSpace(b, i+1)
	if end = skipValue(b, i, maxNesting); end < 0 {
		return nil, span{}, false
	}
	m.at = end
	return name, span{i, end}, true
}

func (m *members) close(brace int) {
	m.ended = skipSpace(m.data, brace+1) == len(m.data)
	m.at = len(m.data)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns where the value that begins at i ends, or -1 if it is none.
func skipValue(b []byte, i, depth int) int {
	if i >= len(b) || depth == 0 {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{':
		return skipList(b, i, depth, '}')
	case '[':
		return skipList(b, i, depth, ']')
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

// skipList skips an object or an array.
func skipList(b []byte, i, depth int, end byte) int {
	if i = skipSpace(b, i+1); i < len(b) && b[i] == end {
		return i + 1
	}
	for {
		if end == '}' {
			if i = skipString(b, i); i < 0 {
				return -1
			}
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return -1
			}
			i = skipSpace(b, i+1)
		}
		if i = skipValue(b, i, depth-1); i < 0 {
			return -1
		}
		i = skipSpace(b, i)
		switch {
		case i >= len(b):
			return -1
		case b[i] == end:
			return i + 1
		case b[i] != ',':
			return -1
		}
		i = skipSpace(b, i+1)
	}
}

func skipString(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i = skipEscape(b, i); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// skipEscape returns the last byte of the escape that begins at i.
func skipEscape(b []byte, i int) int {
	if i+1 >= len(b) {
		return -1
	}
	switch b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 >= len(b) {
			return -1
		}
		for _, c := range b[i+2 : i+6] {
			if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	if i = skipDigits(b, i); i < 0 || b[from] == '0' && i > from+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		i = skipDigits(b, i)
	}
	return i
}

// skipDigits skips one digit at least.
func skipDigits(b []byte, i int) int {
	from := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

// isNull reports whether a value is absent or null.
func isNull(value []byte) bool { return len(value) == 0 || value[0] == 'n' }

// isList reports whether a value is an array with something in it.
func isFilled(list []byte) bool {
	if len(list) == 0 || list[0] != '[' {
		return false
	}
	i := skipSpace(list, 1)
	return i < len(list) && list[i] != ']'
}

// inside returns what stands between the quotes of a JSON string, still escaped;
// nil if value is no string. Two such pieces, one after the other, are one again:
// so text passes through without being unescaped and escaped.
func inside(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}

// plain unescapes what stands between the quotes of a JSON string. What is no UTF-8
// in it is replaced, as every other reader of JSON does.
func plain(escaped []byte) string {
	if bytes.IndexByte(escaped, '\\') < 0 && utf8.Valid(escaped) {
		return string(escaped)
	}
	var s string
	json.Unmarshal(quoted(escaped), &s)
	return s
}

func quoted(escaped []byte) []byte {
	return append(append(append(make([]byte, 0, len(escaped)+2), '"'), escaped...), '"')
}

// escape makes of a text what stands between the quotes of a JSON string.
func escape(text string) []byte {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return []byte(text)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(strings.ToValidUTF8(text, "\uFFFD"))
	return b.Bytes()[1 : b.Len()-2] // without the quotes and the line's end
}

// countRunes counts the characters of an escaped text.
func countRunes(escaped []byte) (n int) {
	for {
		i := bytes.IndexByte(escaped, '\\')
		if i < 0 || i+1 >= len(escaped) {
			return n + utf8.RuneCount(escaped)
		}
		n += utf8.RuneCount(escaped[:i])
		size := 2
		if escaped[i+1] == 'u' {
			size = 6
		}
		size = min(size, len(escaped)-i)
		if !isLowSurrogate(escaped[i : i+size]) { // the second half of a character
			n++
		}
		escaped = escaped[i+size:]
	}
}

func isLowSurrogate(escape []byte) bool {
	return len(escape) == 6 && escape[2]|0x20 == 'd' && escape[3]|0x20 >= 'c'
}

// number reads a value that is a small whole number, as indices and counts are.
func number(value []byte) (n int, ok bool) {
	if len(value) == 0 || len(value) > 15 {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
