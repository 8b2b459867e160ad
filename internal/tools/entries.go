package tools

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"codexauth/internal/jsonedit"
)

// entries are settings of a JSON file.
type entries struct {
	url string // of the broker: an object that names it is ours, whatever was added
	all []entry
}

type entry struct {
	path  []string
	value any
	// follows says that it goes with the one before: it is put back if that is.
	follows bool
	// keep says that a value that is there already is as good.
	keep bool
}

// A note is what TakeOut has to know of an entry.
type note struct {
	Path    []string        `json:"path"`
	Mine    json.RawMessage `json:"mine"`
	Old     json.RawMessage `json:"old,omitempty"`
	Depth   int             `json:"depth"` // how much of the path was there before
	URL     string          `json:"url"`
	Follows bool            `json:"follows,omitempty"`
}

func (e entries) SetUp(text string) (string, json.RawMessage, error) {
	var notes []note
	for _, one := range e.all {
		n := note{Path: one.path, URL: e.url, Follows: one.follows}
		old, found, err := jsonedit.Get(text, one.path...)
		if err != nil {
			return "", nil, err
		}
		if found && one.keep {
			continue
		}
		if found {
			value, err := jsonedit.Value(old)
			if err != nil {
				return "", nil, err
			}
			if n.Old, err = json.Marshal(value); err != nil {
				return "", nil, err
			}
		}
		if n.Mine, err = json.Marshal(one.value); err != nil {
			return "", nil, err
		}
		for n.Depth < len(one.path) {
			if _, found, _ := jsonedit.Get(text, one.path[:n.Depth+1]...); !found {
				break
			}
			n.Depth++
		}
		if text, err = jsonedit.Set(text, one.value, one.path...); err != nil {
			return "", nil, err
		}
		notes = append(notes, n)
	}
	raw, err := json.Marshal(notes)
	return text, raw, err
}

func (e entries) TakeOut(text string, raw json.RawMessage) (string, error) {
	var notes []note
	if err := json.Unmarshal(raw, &notes); err != nil {
		return "", err
	}
	taken := false
	for _, n := range notes {
		now, found, err := jsonedit.Get(text, n.Path...)
		if err != nil {
			return "", err
		}
		if !n.Follows {
			taken = n.ours(now)
		}
		taken = found && taken
		if !taken {
			continue
		}
		if text, err = n.takeOut(text); err != nil {
			return "", err
		}
	}
	return text, nil
}

// ours reports whether a value is still what was written, or the program's edition
// of it.
func (n note) ours(now string) bool {
	value, err := jsonedit.Value(now)
	if err != nil {
		return false
	}
	mine, err := jsonedit.Value(string(n.Mine))
	if err != nil {
		return false
	}
	switch value := value.(type) {
	case string:
		return value == mine || strings.HasPrefix(value, provider+"/")
	case map[string]any:
		return strings.Contains(now, n.URL) || reflect.DeepEqual(value, mine)
	}
	return reflect.DeepEqual(value, mine)
}

func (n note) takeOut(text string) (string, error) {
	if n.Old != nil {
		return jsonedit.Set(text, n.Old, n.Path...)
	}
	text, err := jsonedit.Remove(text, n.Path...)
	for depth := len(n.Path) - 1; err == nil && depth > n.Depth; depth-- { // objects that were made for it
		value, found, getErr := jsonedit.Get(text, n.Path[:depth]...)
		if getErr != nil || !found || !emptyObject(value) {
			return text, getErr
		}
		text, err = jsonedit.Remove(text, n.Path[:depth]...)
	}
	return text, err
}

func emptyObject(text string) bool {
	value, err := jsonedit.Value(text)
	object, ok := value.(map[string]any)
	return err == nil && ok && len(object) == 0
}

// keysOf are the names in a JSON object, sorted.
func keysOf(value any) []string {
	object, _ := value.(map[string]any)
	var keys []string
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
