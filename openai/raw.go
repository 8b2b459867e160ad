package openai

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An entry is one member of a JSON object: its value is a part of the client's
// body, so that what passes keeps its bytes.
type entry struct {
	key string
	raw json.RawMessage
}

type object []entry

// get returns a member's value, nil if it is absent or null.
func (o object) get(key string) json.RawMessage {
	for _, e := range o {
		if e.key == key {
			return e.raw
		}
	}
	return nil
}

// A path is where a value stands in the client's body; it becomes text only in an error.
type path struct {
	up  *path
	key string // a member's name; "" for an element
	i   int
}

func (p *path) of(key string) *path { return &path{p, key, 0} }
func (p *path) at(i int) *path      { return &path{p, "", i} }

func (p *path) String() string {
	switch {
	case p == nil:
		return ""
	case p.key == "":
		return p.up.String() + "[" + strconv.Itoa(p.i) + "]"
	case p.up == nil:
		return p.key
	}
	return p.up.String() + "." + p.key
}

// maxBodyNesting is how deep a client's body may nest: as deep as encoding/json
// takes it.
const maxBodyNesting = 10_000

// readBody checks that a body is one JSON object in UTF-8 and returns its members.
func readBody(body []byte) (object, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case len(body) == 0:
		return nil, refuse("", "invalid_json", "The body is empty. It must be a JSON object.")
	case !utf8.Valid(body):
		return nil, refuse("", "invalid_json", "The body is not UTF-8.")
	case skipValue(body, 0, maxBodyNesting) != len(body):
		return nil, refuse("", "invalid_json", "The body is not JSON: %s.", whyNoJSON(body))
	case body[0] != '{':
		return nil, refuse("", "invalid_json", "The body must be a JSON object.")
	}
	return readObject(body, nil)
}

// whyNoJSON says what is wrong without a word of the body.
func whyNoJSON(body []byte) string {
	var any json.RawMessage
	err := json.Unmarshal(body, &any)
	if syntax, ok := err.(*json.SyntaxError); ok {
		if strings.Contains(syntax.Error(), "depth") {
			return "it nests too deeply"
		}
		return "there is an error at byte " + strconv.FormatInt(syntax.Offset, 10)
	}
	return "it can't be read"
}

// readObject returns the members of an object in their order, without those that
// are null. A name that stands twice is refused: readers differ in which one counts.
// What it reads has been found to be JSON.
func readObject(raw json.RawMessage, at *path) (object, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return nil, wrongKind(at, "an object", raw)
	}
	var (
		o    object
		seen map[string]bool // of large objects only
	)
	for i := blanks(raw, 1); raw[i] != '}'; {
		end := endOf(raw, i)
		key := keyText(raw[i:end])
		if seen == nil && len(o) == 16 {
			seen = make(map[string]bool, 64)
			for _, e := range o {
				seen[e.key] = true
			}
		}
		if seen[key] || seen == nil && has(o, key) {
			return nil, refuse(at.of(nameOf(key)).String(), "duplicate_key", "The field '%s' is repeated.", nameOf(key))
		}
		if seen != nil {
			seen[key] = true
		}
		i = blanks(raw, blanks(raw, end)+1)
		end = endOf(raw, i)
		o = append(o, entry{key, raw[i:end]})
		if i = blanks(raw, end); raw[i] == ',' {
			i = blanks(raw, i+1)
		}
	}
	kept := o[:0]
	for _, e := range o {
		if e.raw[0] != 'n' {
			kept = append(kept, e)
		}
	}
	return kept, nil
}

func has(o object, key string) bool {
	for _, e := range o {
		if e.key == key {
			return true
		}
	}
	return false
}

// readList calls each for the elements of an array.
func readList(raw json.RawMessage, at *path, each func(i int, raw json.RawMessage) error) error {
	if len(raw) == 0 || raw[0] != '[' {
		return wrongKind(at, "an array", raw)
	}
	i := blanks(raw, 1)
	for n := 0; raw[i] != ']'; n++ {
		end := endOf(raw, i)
		if err := each(n, raw[i:end]); err != nil {
			return err
		}
		if i = blanks(raw, end); raw[i] == ',' {
			i = blanks(raw, i+1)
		}
	}
	return nil
}

// readText decodes a string that we have to understand. Half of a surrogate pair
// would be lost in that, so it is refused.
func readText(raw json.RawMessage, at *path) (string, error) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", wrongKind(at, "a string", raw)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", wrongKind(at, "a string", raw)
	}
	if strings.Count(s, "\ufffd") > bytes.Count(raw, []byte("\ufffd"))+bytes.Count(bytes.ToLower(raw), []byte(`\ufffd`)) {
		return "", refuse(at.String(), "invalid_value", "Invalid '%s': it holds half of a surrogate pair.", at)
	}
	return s, nil
}

// keyText decodes a member's name.
func keyText(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	json.Unmarshal(raw, &s)
	return s
}

func isText(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '"' }
func isList(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '[' }

// isHollow says that an array or object has nothing in it.
func isHollow(raw json.RawMessage) bool {
	if len(raw) == 0 || raw[0] != '[' && raw[0] != '{' {
		return false
	}
	return blanks(raw, 1) == len(raw)-1
}

// blanks returns where white space that begins at i ends.
func blanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// endOf returns where the value that begins at i ends; it has been found to be JSON.
func endOf(b []byte, i int) int {
	switch b[i] {
	case '"':
		return endOfText(b, i)
	case '{', '[':
		for depth := 0; ; {
			switch b[i] {
			case '"':
				i = endOfText(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(b) && strings.IndexByte(",]} \n\r\t", b[i]) < 0 {
		i++
	}
	return i
}

func endOfText(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}
