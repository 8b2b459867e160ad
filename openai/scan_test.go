package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// Whatever a text holds, it is escaped as encoding/json does it.
func TestEscape(t *testing.T) {
	texts := []string{"", "gpt-5.5", `a "word"`, "a\\b", "<&>", "é", "\u2028", "😀"}
	for b := range 128 {
		texts = append(texts, string(rune(b)), "a"+string(rune(b))+"b")
	}
	for _, text := range texts {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(text); err != nil {
			t.Fatal(err)
		}
		if got := string(quote(text)); got != strings.TrimSuffix(want.String(), "\n") {
			t.Errorf("%q: %s, want %s", text, got, want.String())
		}
	}
	if got := string(quote("a\xffb")); got != `"a`+"\uFFFD"+`b"` {
		t.Errorf("no UTF-8: %s", got)
	}
}
