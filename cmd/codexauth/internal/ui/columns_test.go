package ui

import (
	"slices"
	"testing"
)

func TestColumns(t *testing.T) {
	for line, want := range map[string]int{"": 0, "abc": 3, "\x1b[31mred\x1b[0m": 3, "日本": 4, "e\u0301": 1, "😀": 2, "…": 1} {
		if got := Columns(line); got != want {
			t.Errorf("%q has %d columns, want %d", line, got, want)
		}
		if got := Clip(line, want); got != line {
			t.Errorf("%q is cut to %q", line, got)
		}
	}
	for line, want := range map[string]string{"abcdef": "abc", "日本語": "日", "\x1b[31mabcdef\x1b[0m": "\x1b[31mabc\x1b[0m"} {
		if got := Clip(line, 3); got != want {
			t.Errorf("%q is cut to %q, want %q", line, got, want)
		}
	}
	if got := Apart("a long title", "12:00", 12); got != "a long 12:00" {
		t.Errorf("%q", got)
	}
	if got := Wrap("one two three four", "> ", 4, 10); !slices.Equal(got, []string{"> one two", "    three", "    four"}) {
		t.Errorf("%q", got)
	}
	if got := Pad("a", 3) + PadLeft("b", 3) + Pad("long", 2); got != "a    blong" {
		t.Errorf("%q", got)
	}
}
