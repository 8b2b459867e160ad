// Package jsonedit changes single values of a JSON text and leaves every other byte
// as it is: order, blanks, and the comments and trailing commas of JSONC.
//
// What comes out is read again and compared with what was to come out.
package jsonedit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// ErrShape: a value can't be set, since what it would stand in is no object, or has
// a name twice.
var ErrShape = errors.New("it is written in a way that can't be edited safely")

// Get returns the text of the value at path.
func Get(text string, path ...string) (raw string, found bool, err error) {
	root, _, err := parse(text)
	if err != nil || root == nil {
		return "", false, err
	}
	at, rest, err := descend(root, path)
	if err != nil || len(rest) > 0 {
		return "", false, err
	}
	return text[at.start:at.end], true, nil
}

// Value reads the whole text; nil if it has no value.
func Value(text string) (any, error) {
	root, extras, err := parse(text)
	if err != nil || root == nil {
		return nil, err
	}
	plain := []byte(text)
	for _, span := range extras {
		for i := span[0]; i < span[1]; i++ {
			plain[i] = ' '
		}
	}
	return decode(plain)
}

func decode(plain []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(plain))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, ErrSyntax
	}
	return value, nil
}

// descend goes as far down path as there is something.
func descend(n *node, path []string) (at *node, rest []string, err error) {
	for at, rest = n, path; len(rest) > 0; rest = rest[1:] {
		if !at.object {
			return nil, nil, ErrShape
		}
		i := at.index(rest[0])
		if i < 0 {
			return at, rest, nil
		}
		if slices.ContainsFunc(at.members[i+1:], func(m member) bool { return m.key == rest[0] }) {
			return nil, nil, ErrShape
		}
		at = at.members[i].value
	}
	return at, nil, nil
}

func (n *node) index(key string) int {
	return slices.IndexFunc(n.members, func(m member) bool { return m.key == key })
}

// Set returns text with value at path, in place of what was there; objects that are
// missing on the way are made.
func Set(text string, value any, path ...string) (string, error) {
	root, _, err := parse(text)
	if err != nil {
		return "", err
	}
	before := text
	if root == nil { // an empty file
		text = strings.TrimRight(text, " \t\r\n")
		if text != "" && text != bom {
			text += lineEnd(before)
		}
		text += "{}" + lineEnd(before)
		if root, _, err = parse(text); err != nil {
			return "", err
		}
	}
	at, rest, err := descend(root, path)
	if err != nil {
		return "", err
	}
	s := styleOf(text)
	var edited string
	if len(rest) == 0 {
		raw, err := s.format(value, s.indentAt(text, at.start))
		if err != nil {
			return "", err
		}
		edited = text[:at.start] + raw + text[at.end:]
	} else {
		if !at.object {
			return "", ErrShape
		}
		for _, key := range slices.Backward(rest[1:]) {
			value = map[string]any{key: value}
		}
		if edited, err = s.add(text, at, rest[0], value); err != nil {
			return "", err
		}
		path = path[:len(path)-len(rest)+1]
	}
	return edited, verify(before, edited, path, value)
}

// verify makes sure that edited is before with value at path.
func verify(before, edited string, path []string, value any) error {
	want, err := Value(before)
	if err != nil {
		return err
	}
	if want == nil {
		want = map[string]any{}
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	plain, err := decode(raw)
	if err != nil {
		return err
	}
	got, err := Value(edited)
	if err != nil {
		return fmt.Errorf("%w: with the change it would be %w", ErrShape, err)
	}
	in := want.(map[string]any)
	for _, key := range path[:len(path)-1] {
		in = in[key].(map[string]any)
	}
	in[path[len(path)-1]] = plain
	if !reflect.DeepEqual(got, want) {
		return ErrShape
	}
	return nil
}

// Remove returns text without the member at path.
func Remove(text string, path ...string) (string, error) {
	root, _, err := parse(text)
	if err != nil || root == nil {
		return text, err
	}
	last := len(path) - 1
	in, rest, err := descend(root, path[:last])
	if err != nil || len(rest) > 0 || !in.object {
		return text, err
	}
	i := in.index(path[last])
	if i < 0 {
		return text, nil
	}
	m := in.members[i]
	from := len(strings.TrimRight(text[:m.keyAt], " \t\r\n"))
	if strings.HasSuffix(trimmedLine(text[:from]), "*/") || strings.Contains(trimmedLine(text[:from]), "//") {
		from = strings.LastIndexByte(text[:m.keyAt], '\n') // leave the comment its line's end
		if from < 0 || from < len(strings.TrimRight(text[:m.keyAt], " \t\r\n")) {
			from = len(strings.TrimRight(text[:m.keyAt], " \t\r\n"))
		}
	}
	to := m.value.end
	if m.comma >= 0 {
		to = m.comma + 1
	}
	edited := text[:from] + text[to:]
	if i == len(in.members)-1 && i > 0 && m.comma < 0 {
		comma := in.members[i-1].comma
		edited = edited[:comma] + edited[comma+1:]
	}
	if len(in.members) == 1 && strings.TrimSpace(edited[in.start+1:in.end-(to-from)-1]) == "" {
		edited = edited[:in.start+1] + edited[in.end-(to-from)-1:]
	}
	if _, err := Value(edited); err != nil {
		return "", fmt.Errorf("%w: %w", ErrShape, err)
	}
	return edited, nil
}

// trimmedLine is the last line of text.
func trimmedLine(text string) string {
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}
