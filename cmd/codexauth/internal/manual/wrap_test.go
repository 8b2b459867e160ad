package manual

import "testing"

// Texts are filled; lines of a list stay lines, of which one may take several.
func TestWrap(t *testing.T) {
	for name, tt := range map[string]struct {
		text, want string
		width      int
	}{
		"paragraphs": {"one two\nthree\n\nfour  five", "one two three\n\nfour  five", 20},
		"list":       {"codes:\n\n  1  one\n  2  two", "codes:\n\n  1  one\n  2  two", 20},
		"long line":  {"  1  one two three four", "  1  one two\n     three four", 15},
		"continued":  {"  1  one two three\n     four\n  2  five", "  1  one two\n     three four\n  2  five", 15},
		"joined":     {"  1  one two\n     three\nend", "  1  one two three\nend", 40},
		"examples":   {"  codexauth a\n  codexauth b", "  codexauth a\n  codexauth b", 40},
		"deeper":     {"  DIR\n      of one\n      of two", "  DIR\n      of one\n      of two", 40},
		"one word":   {"unbreakable", "unbreakable", 4},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Wrap(tt.text, tt.width); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}
