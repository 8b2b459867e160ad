// Package fill puts texts into HTML pages. It does what a few fixed pages need of
// html/template, whose reflection keeps the linker from leaving out what a
// program does not use: that costs each start a seventh of the binary.
package fill

import (
	"html"
	"strings"
)

// HTML is shown as it is: it is a page's own, or has been filled.
type HTML string

// In puts values into the places of page, which are written {{name}} and stand
// between tags or in quoted attributes, never in a script, a style or an address.
// A string is escaped for that, an HTML is not, and what has no value is left out.
func In(page HTML, values map[string]any) HTML {
	var out strings.Builder
	rest := string(page)
	for {
		before, after, found := strings.Cut(rest, "{{")
		out.WriteString(before)
		if !found {
			return HTML(out.String())
		}
		name, behind, _ := strings.Cut(after, "}}")
		switch v := values[name].(type) {
		case string:
			out.WriteString(html.EscapeString(v))
		case HTML:
			out.WriteString(string(v))
		}
		rest = behind
	}
}

// If returns the fragment with the text in its place {{text}}, and nothing if the
// text is empty.
func If(text string, fragment HTML) HTML {
	if text == "" {
		return ""
	}
	return In(fragment, map[string]any{"text": text})
}
