package jsonedit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrSyntax: a text is no JSON, not even with comments and trailing commas. Its
// error says where and shows none of the text: there are secrets in some people's.
var ErrSyntax = errors.New("not valid JSON")

// maxDepth is how deep values may be nested.
const maxDepth = 200

// A node is a value and where it stands.
type node struct {
	start, end int
	object     bool
	members    []member
}

// A member is one of an object: "key": value, and the comma behind it.
type member struct {
	key   string
	keyAt int
	value *node
	comma int // -1 if there is none
}

// A parser goes through a text once. It notes what JSON has not: comments and
// trailing commas.
type parser struct {
	text   string
	at     int
	depth  int
	extras [][2]int
}

const bom = "\ufeff"

// parse returns the value of a text; the object {} for one that has none.
func parse(text string) (root *node, extras [][2]int, err error) {
	p := &parser{text: text}
	if strings.HasPrefix(text, bom) {
		p.note(0, len(bom))
		p.at = len(bom)
	}
	if err := p.space(); err != nil {
		return nil, nil, err
	}
	if p.at == len(text) {
		return nil, p.extras, nil
	}
	if root, err = p.value(); err != nil {
		return nil, nil, err
	}
	if err := p.space(); err != nil {
		return nil, nil, err
	}
	if p.at < len(text) {
		return nil, nil, p.wrong()
	}
	return root, p.extras, nil
}

func (p *parser) note(from, to int) { p.extras = append(p.extras, [2]int{from, to}) }

// wrong is that the text can't be read from here on.
func (p *parser) wrong() error {
	before := p.text[:min(p.at, len(p.text))]
	line := strings.Count(before, "\n") + 1
	return fmt.Errorf("%w: line %d, column %d", ErrSyntax, line, len(before)-strings.LastIndexByte(before, '\n'))
}

// space goes past blanks and comments.
func (p *parser) space() error {
	for p.at < len(p.text) {
		rest := p.text[p.at:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			p.at++
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			p.note(p.at, p.at+end)
			p.at += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return p.wrong()
			}
			p.note(p.at, p.at+end+4)
			p.at += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *parser) value() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.wrong()
	}
	defer func() { p.depth-- }()
	n := &node{start: p.at}
	var err error
	switch p.peek() {
	case '{':
		n.object = true
		err = p.list('}', func() (*int, error) { return p.member(n) })
	case '[':
		err = p.list(']', func() (*int, error) {
			_, err := p.value()
			return new(int), err
		})
	case '"':
		_, err = p.word()
	default:
		err = p.literal()
	}
	n.end = p.at
	return n, err
}

// list goes through what stands between brackets. one reads an element and returns
// where to note its comma.
func (p *parser) list(end byte, one func() (*int, error)) error {
	p.at++
	last := -1 // comma
	for {
		if err := p.space(); err != nil {
			return err
		}
		if p.peek() == end {
			if last >= 0 {
				p.note(last, last+1)
			}
			p.at++
			return nil
		}
		comma, err := one()
		if err == nil {
			err = p.space()
		}
		if err != nil {
			return err
		}
		*comma, last = -1, -1
		switch p.peek() {
		case ',':
			*comma, last = p.at, p.at
			p.at++
		case end:
		default:
			return p.wrong()
		}
	}
}

func (p *parser) member(n *node) (comma *int, err error) {
	m := member{keyAt: p.at}
	if p.peek() != '"' {
		return nil, p.wrong()
	}
	if m.key, err = p.word(); err != nil {
		return nil, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.peek() != ':' {
		return nil, p.wrong()
	}
	p.at++
	if err := p.space(); err != nil {
		return nil, err
	}
	if m.value, err = p.value(); err != nil {
		return nil, err
	}
	n.members = append(n.members, m)
	return &n.members[len(n.members)-1].comma, nil
}

func (p *parser) word() (word string, err error) {
	for i := p.at + 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '"':
			if json.Unmarshal([]byte(p.text[p.at:i+1]), &word) != nil {
				return "", p.wrong()
			}
			p.at = i + 1
			return word, nil
		}
	}
	return "", p.wrong()
}

// literal is a number, true, false or null.
func (p *parser) literal() error {
	end := p.at
	for end < len(p.text) && strings.IndexByte(" \t\r\n,]}/:", p.text[end]) < 0 {
		end++
	}
	if !json.Valid([]byte(p.text[p.at:end])) {
		return p.wrong()
	}
	p.at = end
	return nil
}
