package cleantext

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":                   "plain text",
		"  two\r\nlines\t here ":       "two lines here",
		"\x1b[31mred\x1b[0m":           "[31mred[0m",
		"abc\u202edcba\u2066x\u200bz":  "abcdcbaxz",
		"grüße, 世界":                    "grüße, 世界",
		"bad\xffutf8\x00":              "bad\ufffdutf8",
		strings.Repeat("é", maxLen+50): strings.Repeat("é", maxLen) + "…",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMessageMasksLongRuns(t *testing.T) {
	secret := "rt_" + strings.Repeat("aB9-", 12)
	got := Message("token " + secret + " was used; see https://example.com/help")
	if strings.Contains(got, "aB9-aB9-") {
		t.Errorf("the secret survives: %q", got)
	}
	if want := "token [redacted] was used; see https://example.com/help"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
