package openai

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// table writes rules as docs/openai.md shows them.
func table(rules []rule) string {
	var b strings.Builder
	b.WriteString("| Field | What happens to it | |\n| --- | --- | --- |\n")
	for _, r := range rules {
		note := r.note
		if quiet := quietNote(r); quiet != "" {
			note = strings.TrimPrefix(note+"; "+quiet, "; ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.name, r.verdict, note)
	}
	return b.String()
}

// quietNote finds out what value a rule takes for nothing.
func quietNote(r rule) string {
	if r.quiet == nil || r.quiet([]byte(`"x"`)) {
		return ""
	}
	for _, value := range []string{"1", "0", "false", "{}", `["text"]`} {
		if r.quiet([]byte(value)) {
			return "`" + value + "` means nothing"
		}
	}
	return ""
}

// The page's tables are the code's.
func TestDocsShowEveryField(t *testing.T) {
	page, err := os.ReadFile("../docs/openai.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, rules := range map[string][]rule{"chat completions": chatRules[:], "Responses": responsesRules[:]} {
		if want := table(rules); !strings.Contains(string(page), want) {
			t.Errorf("docs/openai.md shows another table of %s; it is\n%s", name, want)
		}
	}
}

// No field stands twice in a table, and each of mapped and passed is read.
func TestRulesAreWhole(t *testing.T) {
	for name, rules := range map[string][]rule{"chat": chatRules[:], "responses": responsesRules[:]} {
		seen := map[string]bool{}
		for _, r := range rules {
			if seen[r.name] {
				t.Errorf("%s: %s stands twice", name, r.name)
			}
			seen[r.name] = true
		}
	}
	// A value of a kind that no field takes: who reads a field refuses it.
	for _, r := range chatRules {
		if r.verdict != mapped && r.verdict != passed || r.name == "model" || r.name == "messages" {
			continue
		}
		if _, err := ParseChat([]byte(chat(`,"`+r.name+`":12`)), Context{}); err == nil {
			t.Errorf("chat: nobody reads %s", r.name)
		}
	}
	for _, r := range responsesRules {
		if r.verdict != mapped && r.verdict != passed || r.name == "model" || r.name == "input" {
			continue
		}
		if _, err := ParseResponses([]byte(responses(`,"`+r.name+`":12`)), Context{}); err == nil {
			t.Errorf("responses: nobody reads %s", r.name)
		}
	}
}
