package cleantext

import "testing"

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":                 "plain text",
		"two\nlines\r\n":             "two lines",
		"\x1b[31mred\x1b[0m":         "[31mred [0m",
		"a\u202eb\u2066c\u200bd\x07": "a b c d",
	} {
		if got := OneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
