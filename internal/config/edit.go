package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// A config file is changed line by line, so that comments, order and
// everything else that a person wrote stay as they are. What comes out is parsed
// and compared with what was to come out: a file that is written in a way in
// which a line can't be changed by itself is left alone.

// lines is the text of a file, each line with its end.
type lines []string

func split(text string) lines {
	all := strings.SplitAfter(text, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

func (l lines) text() string { return strings.Join(l, "") }

// ending is the end that new lines get.
func (l lines) ending() string {
	if len(l) > 0 && strings.HasSuffix(l[0], "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// A spot is a line that says something.
type spot struct {
	header bool
	path   []string // of the table, or of the setting
}

// spots says of each line what it sets; the zero spot says nothing, as a comment
// does, or more than a line can.
func (l lines) spots() []spot {
	found := make([]spot, len(l))
	var table []string
	for i, line := range l {
		line = strings.TrimSpace(strings.TrimPrefix(line, bom))
		if line == "" || line[0] == '#' {
			continue
		}
		path := pathOf(line)
		switch {
		case path == nil:
		case line[0] == '[':
			table = path
			found[i] = spot{true, path}
		default:
			found[i] = spot{false, append(slices.Clone(table), path...)}
		}
	}
	return found
}

// pathOf is the path that one line names: of a table, or of a value.
func pathOf(line string) (path []string) {
	var value map[string]any
	if toml.Unmarshal([]byte(line), &value) != nil {
		return nil
	}
	for len(value) == 1 {
		for name, inner := range value {
			path = append(path, name)
			value, _ = inner.(map[string]any)
		}
	}
	return path
}

// pathTo is where a setting of a profile stands; of "" at the top.
func pathTo(profile, name string) []string {
	if profile == "" {
		return []string{name}
	}
	return []string{tables, profile, name}
}

// set returns the lines with a setting in them, in place of what it was.
func (l lines) set(profile, name, value string) lines {
	path := pathTo(profile, name)
	spots := l.spots()
	for i, s := range spots {
		if !s.header && slices.Equal(s.path, path) {
			l = slices.Clone(l)
			l[i] = withValue(l[i], quote(value))
			return l
		}
	}
	line := name + " = " + quote(value) + l.ending()
	if profile == "" {
		return l.insertTop(spots, line)
	}
	for i, s := range spots {
		if s.header && slices.Equal(s.path, path[:2]) {
			for j := i + 1; j < len(l) && !spots[j].header; j++ {
				if spots[j].path != nil {
					i = j // behind the table's last setting
				}
			}
			return l.insert(i+1, line)
		}
	}
	header := "[" + tables + "." + key(profile) + "]" + l.ending()
	if len(l) > 0 {
		header = l.ending() + header
	}
	return l.insert(len(l), header+line)
}

// insertTop puts a setting behind the last one at the top; where there is none,
// before the first table and the comment that belongs to it.
func (l lines) insertTop(spots []spot, line string) lines {
	last, table := -1, len(l)
	for i, s := range spots {
		if s.header {
			table = i
			break
		}
		if s.path != nil {
			last = i
		}
	}
	switch {
	case last >= 0:
		return l.insert(last+1, line)
	case table == len(l):
		return l.insert(table, line)
	}
	for table > 0 && strings.HasPrefix(strings.TrimSpace(l[table-1]), "#") {
		table--
	}
	return l.insert(table, line+l.ending())
}

// insert puts text before line i, which it ends if need be.
func (l lines) insert(i int, text string) lines {
	l = slices.Clone(l)
	if i > 0 && !strings.HasSuffix(l[i-1], "\n") {
		l[i-1] += l.ending()
	}
	if i == 0 && len(l) > 0 { // a byte order mark stays first
		if rest, marked := strings.CutPrefix(l[0], bom); marked {
			l[0], text = rest, bom+text
		}
	}
	return slices.Insert(l, i, text)
}

// unset returns the lines without a setting.
func (l lines) unset(profile, name string) lines {
	path := pathTo(profile, name)
	for i, s := range l.spots() {
		if !s.header && slices.Equal(s.path, path) {
			l = slices.Clone(l)
			if strings.HasPrefix(l[i], bom) {
				l[i] = bom
				return l
			}
			return slices.Delete(l, i, i+1)
		}
	}
	return l
}

// rename returns the lines with a profile under another name.
func (l lines) rename(from, to string) lines {
	l = slices.Clone(l)
	for i, s := range l.spots() {
		switch {
		case s.header && slices.Equal(s.path, []string{tables, from}):
			open := strings.Index(l[i], "[")
			rest := strings.TrimLeft(l[i][headerEnd(l[i]):], "]")
			l[i] = l[i][:open] + "[" + tables + "." + key(to) + "]" + rest
		case !s.header && slices.Equal(s.path, []string{Profile}) && strings.Contains(l[i], from):
			var value map[string]string
			if toml.Unmarshal([]byte(strings.TrimPrefix(l[i], bom)), &value) == nil && value[Profile] == from {
				l[i] = withValue(l[i], quote(to))
			}
		}
	}
	return l
}

// headerEnd is where a table's header ends: at the bracket outside of quotes.
func headerEnd(line string) int {
	var quoted byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted == '"' && c == '\\':
			i++
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case c == ']':
			return i
		}
	}
	return len(line)
}

// withValue is the line of a setting with another value: its beginning and the
// comment behind it stay.
func withValue(line, value string) string {
	var quoted byte
	begin := -1 // of the value
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted == '"' && c == '\\':
			i++
		case quoted != 0 && c == quoted:
			quoted = 0
			if begin >= 0 {
				return line[:begin] + value + line[i+1:]
			}
		case quoted != 0:
		case c == '=' && begin < 0:
			begin = i + 1
			for begin < len(line) && (line[begin] == ' ' || line[begin] == '\t') {
				begin++
			}
		case c == '"' || c == '\'':
			quoted = c
		}
	}
	return line // the comparison finds that nothing has changed
}

// key is a name as a part of a table's header.
func key(name string) string {
	bare := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
	if bare {
		return name
	}
	return quote(name)
}

// quote is a text as a TOML string on one line.
func quote(text string) string {
	text = strings.ReplaceAll(text, `\`, `\\`)
	return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
}

// says reports whether two files say the same.
func (f *File) says(g *File) bool {
	return maps.Equal(f.top, g.top) && reflect.DeepEqual(f.tables(), g.tables())
}

// tables are the profiles' tables that say something.
func (f *File) tables() map[string]map[string]string {
	full := map[string]map[string]string{}
	for name, table := range f.profiles {
		if len(table) > 0 {
			full[name] = table
		}
	}
	return full
}
