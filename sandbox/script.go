package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scriptMark begins a line of the user's last message that says what to answer.
const scriptMark = "sandbox:"

// A step is one thing that a script asks for.
type step struct {
	verb string
	name string        // NAME, CODE, URL
	text string        // what follows, read where it is a JSON string
	n    int           // N, SECONDS, STATUS
	size int           // SIZE in bytes
	wait time.Duration // DURATION
}

// A turn is one answer. The answers of a conversation follow each other, one for
// each time that the client has run what the one before it called.
type turn []step

// verbs are the words of a script and what follows each; see docs/sandbox.md.
func verbs() map[string]string {
	return map[string]string{
		// output
		"text": "TEXT", "commentary": "TEXT", "final": "TEXT", "bare": "TEXT", "refuse": "TEXT", "reasoning": "TEXT", "echo": "", "json": "",
		"tool": "NAME TEXT", "tool-done": "NAME TEXT", "tool-item": "NAME TEXT", "custom": "NAME TEXT", "custom-done": "NAME TEXT",
		"cite": "NAME TEXT", "search": "TEXT", "image": "SIZE", "big": "SIZE", "flood": "N SIZE",
		// as it stands
		"event": "TEXT", "raw": "TEXT", "comment": "TEXT", "wait": "DURATION",
		// ends
		"incomplete": "NAME", "fail": "NAME TEXT?", "error": "NAME TEXT?", "cut": "", "end": "", "half": "",
		// instead of an answer
		"limit": "N?", "status": "N NAME TEXT?", "detail": "N TEXT", "html": "N",
		// manner
		"interleave": "", "full-output": "", "no-usage": "", "done": "", "twice": "", "shift-ids": "", "other-id": "", "no-created": "",
		"no-type": "", "no-names": "", "bom": "", "crlf": "", "pace": "DURATION",
	}
}

// Bounds, so that no script takes all memory or an answer that never ends.
const (
	maxSteps     = 1000
	maxEventSize = 64 << 20
	maxFlood     = 10_000_000
	maxWait      = time.Hour
)

// parseScript reads the answers of a conversation: steps between semicolons, the
// word next between answers.
func parseScript(text string) ([]turn, error) {
	parts, err := splitSteps(text)
	if err != nil {
		return nil, err
	}
	turns := []turn{{}}
	for _, part := range parts {
		if part == "next" {
			turns = append(turns, turn{})
			continue
		}
		s, err := parseStep(part)
		if err != nil {
			return nil, err
		}
		turns[len(turns)-1] = append(turns[len(turns)-1], s)
	}
	return turns, nil
}

// splitSteps cuts at semicolons outside of double quotes.
func splitSteps(text string) ([]string, error) {
	var parts []string
	begin, quoted := 0, false
	cut := func(end int) {
		if part := strings.TrimSpace(text[begin:end]); part != "" {
			parts = append(parts, part)
		}
		begin = end + 1
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			cut(i)
		}
	}
	if quoted {
		return nil, errors.New("sandbox script: a double quote is not closed")
	}
	cut(len(text))
	if len(parts) > maxSteps {
		return nil, fmt.Errorf("sandbox script: more than %d steps", maxSteps)
	}
	return parts, nil
}

func parseStep(text string) (step, error) {
	verb, rest, _ := strings.Cut(text, " ")
	want, known := verbs()[verb]
	if !known {
		return step{}, fmt.Errorf("sandbox script: unknown step %.40q; the steps are: %s", verb, strings.Join(slices.Sorted(maps.Keys(verbs())), ", "))
	}
	s := step{verb: verb}
	rest = strings.TrimSpace(rest)
	for arg := range strings.FieldsSeq(want) {
		kind, optional := strings.CutSuffix(arg, "?")
		if rest == "" && optional {
			break
		}
		word, more, _ := strings.Cut(rest, " ")
		if kind == "TEXT" {
			word, more = rest, ""
		}
		if err := s.read(kind, word); err != nil {
			return step{}, fmt.Errorf("sandbox script: %s takes %s: %w", verb, want, err)
		}
		rest = strings.TrimSpace(more)
	}
	if rest != "" {
		return step{}, fmt.Errorf("sandbox script: %s takes %s and nothing more", verb, orNothing(want))
	}
	return s, s.check()
}

func orNothing(want string) string {
	if want == "" {
		return "nothing"
	}
	return want
}

func (s *step) read(kind, word string) (err error) {
	if word == "" && kind != "TEXT" {
		return errors.New("the " + kind + " is missing")
	}
	switch kind {
	case "NAME":
		s.name = word
	case "TEXT":
		s.text = unquote(word)
	case "N":
		if s.n, err = strconv.Atoi(word); err != nil || s.n < 0 || s.n > maxFlood {
			return fmt.Errorf("a number up to %d, not %.20q", maxFlood, word)
		}
	case "SIZE":
		if s.size, err = parseSize(word); err != nil {
			return err
		}
	case "DURATION":
		if s.wait, err = time.ParseDuration(word); err != nil || s.wait < 0 || s.wait > maxWait {
			return fmt.Errorf("a duration such as 20ms, up to %v, not %.20q", maxWait, word)
		}
	}
	return nil
}

// unquote reads a JSON string; anything else stands for itself.
func unquote(word string) string {
	var text string
	if strings.HasPrefix(word, `"`) && json.Unmarshal([]byte(word), &text) == nil {
		return text
	}
	return word
}

func parseSize(word string) (int, error) {
	unit := 1
	switch {
	case strings.HasSuffix(word, "k"):
		unit = 1 << 10
	case strings.HasSuffix(word, "m"):
		unit = 1 << 20
	}
	n, err := strconv.Atoi(strings.TrimRight(word, "km"))
	if err != nil || n < 0 || n > maxEventSize/unit {
		return 0, fmt.Errorf("a size such as 500, 64k or 3m, up to 64m, not %.20q", word)
	}
	return n * unit, nil
}

// check judges values that only one verb takes.
func (s *step) check() error {
	switch {
	case s.verb == "event" && !isObject(s.text):
		return errors.New("sandbox script: event takes a JSON object")
	case (s.verb == "status" || s.verb == "detail" || s.verb == "html") && (s.n < 400 || s.n > 599):
		return fmt.Errorf("sandbox script: %s takes a status from 400 to 599", s.verb)
	case s.verb == "incomplete" && s.name != "max_output_tokens" && s.name != "content_filter":
		return errors.New("sandbox script: incomplete takes max_output_tokens or content_filter")
	}
	return nil
}

func isObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil && object != nil
}

func (t turn) has(verb string) bool { return t.find(verb) != nil }

func (t turn) find(verb string) *step {
	for i := range t {
		if t[i].verb == verb {
			return &t[i]
		}
	}
	return nil
}

// calls counts what a client has to answer before the next turn.
func (t turn) calls() (n int) {
	for _, s := range t {
		switch s.verb {
		case "tool", "tool-done", "tool-item", "custom", "custom-done":
			n++
		}
	}
	return n
}

// scriptIn is what the lines of a message ask for that begin with the mark.
func scriptIn(text string) (script string, found bool) {
	var lines []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), scriptMark); ok {
			lines = append(lines, rest)
		}
	}
	return strings.Join(lines, ";"), lines != nil
}

// turnAfter is the answer that is due when so many calls have been run: nil when
// the script is over.
func turnAfter(turns []turn, outputs int) turn {
	for _, t := range turns {
		if outputs <= 0 {
			return t
		}
		n := t.calls()
		if n == 0 {
			return nil
		}
		outputs -= n
	}
	return nil
}
