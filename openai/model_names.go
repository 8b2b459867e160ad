package openai

import (
	"slices"
	"strings"
)

// A choice is what a client's name for a model means.
type choice struct {
	slug   string
	effort string // from a suffix
	fast   bool   // from a suffix: the priority tier
	known  *model // nil: not in the list, or there is no list
}

// choose finds the model that a client names: its slug, the slug behind "openai/",
// or one of these with an effort that the model lists, or "fast", behind -, :, / or
// in parentheses. Any other name is passed on as it is: one model never stands in
// for another.
func (m *Models) choose(name string) choice {
	if one := m.get(name); one != nil {
		return choice{slug: name, known: one}
	}
	bare := strings.TrimPrefix(name, "openai/")
	c := choice{slug: bare}
	suffixes := []string{}
	for range 3 {
		if one := m.get(c.slug); one != nil && c.take(one, suffixes) {
			return c
		}
		base, suffix, ok := cutSuffix(c.slug)
		if !ok {
			break
		}
		c.slug, suffixes = base, append(suffixes, suffix)
	}
	return choice{slug: bare}
}

// take says whether all suffixes mean something to the model.
func (c *choice) take(one *model, suffixes []string) bool {
	for _, s := range suffixes {
		switch {
		case s == "fast" && !c.fast:
			c.fast = true
		case c.effort == "" && slices.Contains(one.efforts, s):
			c.effort = s
		default:
			c.fast, c.effort = false, ""
			return false
		}
	}
	c.known = one
	return true
}

func cutSuffix(name string) (base, suffix string, ok bool) {
	if inner, closed := strings.CutSuffix(name, ")"); closed {
		i := strings.LastIndexByte(inner, '(')
		if i <= 0 {
			return "", "", false
		}
		return inner[:i], inner[i+1:], true
	}
	i := strings.LastIndexAny(name, "-:/")
	if i <= 0 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

// efforts in their order, as the service names them.
var efforts = [...]string{"none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"}

// rank returns the place of an effort, and a place behind all for an unknown word.
func rank(effort string) int {
	if i := slices.Index(efforts[:], effort); i >= 0 {
		return i
	}
	return len(efforts)
}

// settle returns the effort that a model takes in place of the one asked for, and
// whether that is what was asked for. An empty one is none at all.
func (m *model) settle(effort string) (sent string, same bool) {
	if m == nil || !m.levels || slices.Contains(m.efforts, effort) {
		return onWire(effort), true
	}
	if len(m.efforts) == 0 {
		return "", false
	}
	best := m.efforts[0]
	for _, e := range m.efforts {
		if rank(e) <= rank(effort) {
			best = e
		}
	}
	return onWire(best), false
}

// onWire: the strongest effort is the clients' word for it.
func onWire(effort string) string {
	if effort == "ultra" {
		return "max"
	}
	return effort
}
