package openai

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// longestName is how long a tool's name and the id of a call may be.
const longestName = 64

// fit returns a name as the backend takes it: letters, digits, _ and -, at most 64
// of them. One that is not so is shortened, always in the same way, so that the
// next turn of a conversation says the same.
func fit(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if clean == name && len(name) <= longestName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	mark := "_" + hex.EncodeToString(sum[:6])
	return clean[:min(len(clean), longestName-len(mark))] + mark
}

// toolNamed returns the name that is sent for one of the client's.
func (d *draft) toolNamed(raw []byte, at *path) (string, error) {
	name, err := d.word(raw, at)
	if err != nil {
		return "", err
	}
	sent := fit(name)
	if sent != name {
		if d.req.names == nil {
			d.req.names = map[string]string{}
		}
		d.req.names[sent] = name
	}
	return sent, nil
}

// callNamed returns the id that is sent for a call of the client's.
func (d *draft) callNamed(raw []byte, at *path) (string, error) {
	id, err := d.word(raw, at)
	return fit(id), err
}

// word reads a text that can't be empty.
func (d *draft) word(raw []byte, at *path) (string, error) {
	text, err := readText(raw, at)
	if err == nil && text == "" {
		err = refuse(at.String(), "empty_string", "Invalid '%s': it is empty.", at)
	}
	return text, err
}
